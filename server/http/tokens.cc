#include "server/http/tokens.h"

#include <utility>

#include "server/error.h"
#include "server/http/conversation.h"
#include "server/http/logprobs_json.h"
#include "server/json_writer.h"
#include "server/prompt_encoder.h"

namespace batucada {
namespace {

constexpr char kModelHelp[] = "A served name. Default: the first.";

void ReadPrompt(RequestReader& reader, TokenizeParams& params) {
  if (reader.Take("prompt") == nullptr) return;
  reader.Read("prompt", &params.prompt.emplace());
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
  if (params.conversation) return EncodeConversation(*params.conversation, "messages", context);
  return EncodeText(*params.prompt, "prompt", {.add_special_tokens = params.add_special_tokens}, context.tokenizer);
}

absl::StatusOr<std::string> Tokenize(const Service& service, std::string_view body) {
  BATUCADA_ASSIGN_OR_RETURN(const TokenizeParams params, TokenizeParameters().Parse(body));
  BATUCADA_RETURN_IF_ERROR(ResolveModel(params.model, service.model_names).status());
  const TranslationContext context = service.translation();
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, Encode(params, context));
  std::string answer;
  JsonWriter json(&answer);
  json.BeginObject().Key("count").Int(static_cast<int64_t>(ids.size()));
  json.Key("max_model_len").Int(context.max_total_tokens).Key("tokens").BeginArray();
  for (const int32_t id : ids) json.Int(id);
  json.EndArray().Key("token_strs");
  if (params.return_token_strs) {
    json.BeginArray();
    for (const int32_t id : ids) json.String(TokenString(context.tokenizer, id));
    json.EndArray();
  } else {
    json.Null();
  }
  json.EndObject();
  return answer;
}

absl::StatusOr<std::string> Detokenize(const Service& service, std::string_view body) {
  BATUCADA_ASSIGN_OR_RETURN(const DetokenizeParams params, DetokenizeParameters().Parse(body));
  BATUCADA_RETURN_IF_ERROR(ResolveModel(params.model, service.model_names).status());
  const TranslationContext context = service.translation();
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, ToTokenIds(params.tokens, "tokens", context.vocab_size));
  std::string answer;
  JsonWriter json(&answer);
  json.BeginObject().Key("prompt").String(context.tokenizer.Decode(ids, params.skip_special_tokens)).EndObject();
  return answer;
}

Answer Respond(absl::StatusOr<std::string> answer) {
  if (!answer.ok()) return ErrorResponse(answer.status());
  return JsonResponse(*std::move(answer));
}

}  // namespace

const ParameterTable<TokenizeParams>& TokenizeParameters() {
  using Params = TokenizeParams;
  static const ParameterTable<Params> table = [] {
    ParameterTable<Params> made;
    made.Add("model", StringSchema(kModelHelp), &Params::model);
    made.AddRead("prompt", StringSchema("The text; or give messages."), ReadPrompt);
    AddConversation(made, &Params::conversation, ParameterTable<Params>::Presence::kOptional);
    made.Add("add_special_tokens",
             BooleanSchema("Add the model's start token to prompt. A chat template writes its own.", true),
             &Params::add_special_tokens);
    made.Add("return_token_strs", BooleanSchema("Tell each token's text too.", false), &Params::return_token_strs);
    return made;
  }();
  return table;
}

const ParameterTable<DetokenizeParams>& DetokenizeParameters() {
  using Params = DetokenizeParams;
  static const ParameterTable<Params> table = [] {
    ParameterTable<Params> made;
    made.Add("model", StringSchema(kModelHelp), &Params::model);
    made.AddRead("tokens", ArraySchema("Token ids.", IntegerSchema("", {.min = 0})), ReadTokens,
                 ParameterTable<Params>::Presence::kRequired);
    made.Add("skip_special_tokens", BooleanSchema("Special tokens add nothing to the text.", false),
             &Params::skip_special_tokens);
    return made;
  }();
  return table;
}

Answer HandleTokenize(Service& service, const HttpRequest& request) { return Respond(Tokenize(service, request.body)); }

Answer HandleDetokenize(Service& service, const HttpRequest& request) {
  return Respond(Detokenize(service, request.body));
}

}  // namespace batucada
