#include "server/openai/tokens.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/generate/prompt_encoder.h"
#include "server/http/document.h"
#include "server/json/json_writer.h"
#include "server/openai/choice_extras.h"
#include "server/openai/conversation.h"
#include "server/openai/logprobs_json.h"
#include "server/openai/tool_parameters.h"
#include "text/detokenizer.h"
#include "text/utf8.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr char kModelHelp[] = "A served name. Default: the first.";

void ReadPrompt(RequestReader& reader, TokenizeParams& params) {
  if (reader.Take("prompt") == nullptr) return;
  reader.Read("prompt", &params.prompt.emplace());
}

// llama.cpp's names: its texts get no start token unless asked for, by its name or by ours.
void ReadTextContent(RequestReader& reader, TokenizeParams& params) {
  std::optional<bool> add_special;
  reader.Read("add_special", &add_special);
  if (add_special && add_special != params.add_special_tokens.value_or(*add_special)) {
    reader.Fail("add_special", "and add_special_tokens are both there and differ: give one of them", "invalid_value");
  }
  if (add_special) params.add_special_tokens = add_special;
  reader.Read("parse_special", &params.parse_special);
  reader.Read("with_pieces", &params.with_pieces);
  if (reader.Take("content") == nullptr) return;
  if (params.prompt) return reader.Fail("content", "and prompt are both there: give one of them", "invalid_value");
  reader.Read("content", &params.prompt.emplace());
  params.add_special_tokens = params.add_special_tokens.value_or(false);
}

// The names that other servers have for the same, and whose answers have another form: to serve them would be to guess
// who asks.
struct OtherName {
  const char *name, *whose, *ours;
};
constexpr OtherName kOtherPrompts[] = {{"inputs", "TEI's and TGI's", "prompt"}, {"text", "SGLang's", "prompt"}};
constexpr OtherName kOtherTokens[] = {{"ids", "TEI's", "tokens"}};

template <typename Params>
void AddOtherName(const OtherName& other, ParameterTable<Params>& table) {
  bj::object schema;
  schema["description"] = fmt::format("{} name. Not supported: see {}.", other.whose, other.ours);
  schema["enum"] = bj::array{nullptr};
  table.AddReadPresent(other.name, std::move(schema), [other](RequestReader& reader, Params&) {
    if (reader.Take(other.name) == nullptr) return;
    reader.Fail(other.name, fmt::format("is {} name, and not this server's: give {}", other.whose, other.ours),
                "unsupported_parameter");
  });
}

void ReadTokens(RequestReader& reader, DetokenizeParams& params) {
  if (reader.Take("tokens") == nullptr) {
    return reader.Fail("tokens", "is missing: give a list of token ids", "missing_parameter");
  }
  reader.Read("tokens", &params.tokens);
}

absl::StatusOr<std::vector<int32_t>> Encode(const TokenizeParams& params, const TranslationContext& context) {
  if (params.prompt.has_value() == params.conversation.has_value()) {
    const bool both = params.prompt.has_value();
    return InvalidParameter(
        "prompt",
        both ? "prompt and messages are both there: give one of them" : "prompt is missing: give a string, or messages",
        both ? "invalid_value" : "missing_parameter");
  }
  const EncodeOptions options{.add_special_tokens = params.add_special_tokens.value_or(!params.conversation),
                              .parse_special = params.parse_special};
  if (params.conversation) {
    return EncodeConversation(*params.conversation, {.prompt = "messages"}, options, context);
  }
  return EncodeText(*params.prompt, "prompt", options, context.tokenizer);
}

// What is written of it may be many times as long as the request: see Write.
struct Tokens {
  const Tokenizer& tokenizer;
  MemoryCharge memory;
  std::vector<int32_t> ids;
  bool return_token_strs = false;
  bool with_pieces = false;
  bool skip_special_tokens = false;
  int64_t max_total_tokens = 0;
};

// As llama.cpp tells tokens.
Pieces WritePieces(const Tokens& tokens, JsonWriter& json) {
  json.BeginArray();
  for (const int32_t id : tokens.ids) {
    const std::string_view bytes = tokens.tokenizer.TokenBytes(id);
    json.BeginObject().Key("id").Int(id).Key("piece");
    if (!FindInvalidUtf8(bytes)) {
      json.String(bytes);
    } else {  // a part of a character
      json.BeginArray();
      for (const char byte : bytes) json.Int(static_cast<unsigned char>(byte));
      json.EndArray();
    }
    json.EndObject();
    if (json.full()) co_yield nullptr;
  }
  json.EndArray();
}

Pieces WriteTokens(const Tokens& tokens, JsonWriter& json) {
  json.BeginObject().Key("count").Int(static_cast<int64_t>(tokens.ids.size()));
  json.Key("max_model_len").Int(tokens.max_total_tokens).Key("tokens");
  BATUCADA_WRITE(tokens.with_pieces ? WritePieces(tokens, json) : WriteIds(tokens.ids, json));
  json.Key("token_strs");
  if (!tokens.return_token_strs) {
    json.Null().EndObject();
    co_return;
  }
  json.BeginArray();
  for (const int32_t id : tokens.ids) {
    json.String(TokenString(tokens.tokenizer, id));
    if (json.full()) co_yield nullptr;
  }
  json.EndArray().EndObject();
}

// By vLLM's name and by llama.cpp's.
Pieces WriteDetokenized(const Tokens& tokens, JsonWriter& json) {
  json.BeginObject();
  for (const char* name : {"prompt", "content"}) {
    Detokenizer detokenizer(tokens.tokenizer, tokens.skip_special_tokens);
    json.Key(name).BeginString();
    for (const int32_t id : tokens.ids) {
      json.AddToString(detokenizer.Push(id));
      if (json.full()) co_yield nullptr;
    }
    json.AddToString(detokenizer.Flush()).EndString();
  }
  json.EndObject();
}

// A short answer is written at once, a long one as the client takes it.
Answer Write(Tokens tokens, Pieces (*write)(const Tokens& tokens, JsonWriter& json), Headers headers) {
  constexpr size_t kShort = 2000;  // ids
  if (tokens.ids.size() <= kShort) {
    std::string text;
    JsonWriter json(&text);
    write(tokens, json).Finish();
    HttpResponse response = JsonResponse(std::move(text));
    response.headers = std::move(headers);
    return response;
  }
  return std::make_unique<DocumentAnswer>([write, held = std::make_shared<const Tokens>(std::move(tokens))](
                                              JsonWriter& json) { return write(*held, json); },
                                          std::move(headers));
}

absl::Status Hold(Service& service, Tokens* tokens) {
  tokens->ids.shrink_to_fit();
  BATUCADA_ASSIGN_OR_RETURN(
      tokens->memory,
      service.memory.Charge(MemoryPart::kAnswer, static_cast<int64_t>(tokens->ids.size() * sizeof(int32_t))));
  return absl::OkStatus();
}

absl::StatusOr<Tokens> Tokenize(Service& service, std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const TokenizeParams params, TokenizeParameters().Parse(body, unknown));
  BATUCADA_RETURN_IF_ERROR(ResolveModel(params.model, service.model_names).status());
  const TranslationContext context = service.translation();
  Tokens tokens{.tokenizer = context.tokenizer,
                .memory = {},
                .ids = {},
                .return_token_strs = params.return_token_strs,
                .with_pieces = params.with_pieces,
                .max_total_tokens = context.max_total_tokens};
  BATUCADA_ASSIGN_OR_RETURN(tokens.ids, Encode(params, context));
  BATUCADA_RETURN_IF_ERROR(Hold(service, &tokens));
  return tokens;
}

absl::StatusOr<Tokens> Detokenize(Service& service, std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const DetokenizeParams params, DetokenizeParameters().Parse(body, unknown));
  BATUCADA_RETURN_IF_ERROR(ResolveModel(params.model, service.model_names).status());
  const TranslationContext context = service.translation();
  Tokens tokens{
      .tokenizer = context.tokenizer, .memory = {}, .ids = {}, .skip_special_tokens = params.skip_special_tokens};
  BATUCADA_ASSIGN_OR_RETURN(tokens.ids, ToTokenIds(params.tokens, "tokens", context.vocab_size));
  BATUCADA_RETURN_IF_ERROR(Hold(service, &tokens));
  return tokens;
}

using Read = absl::StatusOr<Tokens> (*)(Service&, std::string_view body, UnknownMembers*);

Answer Respond(Service& service, const HttpRequest& request, Read read,
               Pieces (*write)(const Tokens& tokens, JsonWriter& json)) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<Tokens> tokens = read(service, request.body, &unknown);
  if (!tokens.ok()) return ErrorResponse(tokens.status());
  service.metrics.OnIgnoredParameters(unknown.ignored);
  Headers headers;
  if (unknown.ignored > 0) headers.emplace_back(kIgnoredParameters, unknown.List());
  return Write(*std::move(tokens), write, std::move(headers));
}

}  // namespace

const ParameterTable<TokenizeParams>& TokenizeParameters() {
  using Params = TokenizeParams;
  static const ParameterTable<Params> table = [] {
    ParameterTable<Params> made;
    made.Add("model", StringSchema(kModelHelp), &Params::model);
    made.AddRead("prompt", StringSchema("The text; or give messages."), ReadPrompt);
    AddConversation(made, &Params::conversation, ParameterTable<Params>::Presence::kOptional);
    AddOfferedTools(made, &Params::conversation);
    made.Add(
        "add_special_tokens",
        BooleanSchema("Put the model's start token before the text. Default: true for prompt, false for content and "
                      "for messages, whose chat template writes its own."),
        &Params::add_special_tokens);
    made.Add("return_token_strs", BooleanSchema("Tell each token's text too.", false), &Params::return_token_strs);
    made.AddRead("content",
                 StringSchema("llama.cpp's name of prompt; it gets a start token only where one is asked for."),
                 ReadTextContent);
    const auto read_already = [](RequestReader&, Params&) {};
    made.AddRead("add_special", BooleanSchema("llama.cpp's name of add_special_tokens."), read_already);
    made.AddRead("parse_special", BooleanSchema("Special tokens written out in the text are those tokens.", true),
                 read_already);
    made.AddRead(
        "with_pieces",
        BooleanSchema("Tell each token as {\"id\", \"piece\"}, a piece that is no UTF-8 as a list of bytes.", false),
        read_already);
    for (const OtherName& other : kOtherPrompts) AddOtherName(other, made);
    return made;
  }();
  return table;
}

const ParameterTable<DetokenizeParams>& DetokenizeParameters() {
  using Params = DetokenizeParams;
  static const ParameterTable<Params> table = [] {
    ParameterTable<Params> made;
    for (const OtherName& other : kOtherTokens) AddOtherName(other, made);
    made.Add("model", StringSchema(kModelHelp), &Params::model);
    made.AddRead("tokens", ArraySchema("Token ids.", IntegerSchema("", {.min = 0})), ReadTokens,
                 ParameterTable<Params>::Presence::kRequired);
    made.Add("skip_special_tokens", BooleanSchema("Special tokens add nothing to the text.", false),
             &Params::skip_special_tokens);
    return made;
  }();
  return table;
}

Answer HandleTokenize(Service& service, const HttpRequest& request) {
  return Respond(service, request, Tokenize, WriteTokens);
}

Answer HandleDetokenize(Service& service, const HttpRequest& request) {
  return Respond(service, request, Detokenize, WriteDetokenized);
}

}  // namespace batucada
