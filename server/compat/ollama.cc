#include "server/compat/ollama.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/common/error.h"
#include "server/compat/compat.h"
#include "server/compat/dialect.h"
#include "server/compat/llama_sampling.h"
#include "server/compat/misplaced.h"
#include "server/compat/ollama_answer.h"
#include "server/compat/ollama_chat.h"
#include "server/http/request_origin.h"
#include "server/json/json_writer.h"
#include "server/json/parameter_table.h"
#include "server/openai/conversation.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/grammar_reader.h"
#include "server/openai/known_parameters.h"
#include "server/openai/sampling_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;

struct OllamaParams : CompletionParams {
  OllamaParams() {
    stream = true;
    names.max_tokens = "options.num_predict";
    names.logprobs = "top_logprobs";
  }
  std::string prompt, system;
  bool raw = false;
  bool only_loads = false;  // of a conversation: it has no messages
  bool unloads = false;     // keep_alive is 0
  bool scores = false;      // log-probabilities are told
  OllamaThinking thinking;
};
using OllamaTable = ParameterTable<OllamaParams>;

// How Ollama lays a model out, which here is the operator's to say.
constexpr std::string_view kLayout = "No answer depends on it.";
constexpr KnownParameter kOptions[] = {
    {"num_ctx", "*", kLayout},
    {"num_batch", "*", kLayout},
    {"num_gpu", "*", kLayout},
    {"main_gpu", "*", kLayout},
    {"low_vram", "*", kLayout},
    {"use_mmap", "*", kLayout},
    {"use_mlock", "*", kLayout},
    {"numa", "*", kLayout},
    {"num_thread", "*", kLayout},
    {"num_keep", "*", kLayout},
    {"vocab_only", "false", kNotSupported},
    {"logits_all", "*", kLayout},
    {"f16_kv", "*", kLayout},
    {"embedding_only", "false", kNotSupported},
    {"penalize_newline", "*", "Setting of a sampler that is off."},
};
constexpr KnownParameter kOllamaMembers[] = {
    {"images", "[]", kNotSupported},
    {"suffix", R"("")", kNotSupported},
    {"template", R"("")", kNotSupported},
    {"truncate", "*", "What is too long is refused."},
    {"shift", "*", "What is too long is refused."},
};

constexpr KnownParameter kNoTools[] = {{"tools", "[]", "Only in conversations: ask /api/chat."}};

// What options acts on.
const OllamaTable& OwnOptions() {
  static const OllamaTable table = [] {
    OllamaTable made;
    using P = OllamaParams;
    made.AddRead("num_predict",
                 IntegerSchema("Tokens to generate at most; 0, -1 or -2: until the model ends.", {.min = -2}),
                 [](RequestReader& reader, P& params) {
                   reader.Read("num_predict", &params.max_tokens);
                   if (!params.max_tokens || *params.max_tokens > 0) return;
                   if (*params.max_tokens < -2)
                     return reader.Fail("num_predict", "must be at least -2", "invalid_value");
                   params.max_tokens.reset();
                 });
    AddSamplingFields(SamplingKind::kFilter, made);
    made.AddRead("seed", IntegerSchema("-1: random."), [](RequestReader& reader, P& params) {
      reader.Read("seed", &params.seed);
      if (params.seed == -1) params.seed.reset();
    });
    made.AddRead("stop", ArraySchema("Generation ends before the first of these.", StringSchema("")),
                 [](RequestReader& reader, P& params) { reader.ReadOneOrMore("stop", &params.stop); });
    AddSamplingFields(SamplingKind::kLogits, made);
    AddRepeatPenalty(made);
    return made;
  }();
  return table;
}

const OllamaTable& OptionsTable() {
  static const OllamaTable table = [] {
    OllamaTable made = OwnOptions();
    AddKnownParameters(kOptions, made);
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

// 0, "0", "0s" …: do not keep the model loaded.
void ReadKeepAlive(RequestReader& reader, OllamaParams& params) {
  const bj::value* value = reader.Take("keep_alive");
  if (value == nullptr) return;
  absl::Duration time = absl::InfiniteDuration();
  const bj::string* text = value->if_string();
  const bool read = text != nullptr && absl::ParseDuration(absl::string_view(text->data(), text->size()), &time);
  params.unloads = AsNumber(*value, Typing::kLenient) == 0 || (read && time == absl::ZeroDuration());
}

void ReadOptions(RequestReader& reader, OllamaParams& params) {
  const bj::value* value = reader.Take("options");
  if (value == nullptr) return;
  if (!value->is_object())
    return reader.Fail("options", fmt::format("must be an object, not {}", DescribeJson(*value)));
  RequestReader members(value->get_object(), "options.", reader);
  OptionsTable().ReadMembers(members, params);
  reader.Fail(members.Finish());
}

// What Ollama gives back for the next prompt, and calls outdated itself.
void AddContext(OllamaTable& table) {
  bj::object schema;
  schema["description"] = "Not supported: /api/chat takes what was said before.";
  schema["enum"] = {bj::array(), nullptr};
  table.AddReadPresent("context", std::move(schema), [](RequestReader& reader, OllamaParams&) {
    const bj::value* value = reader.Take("context");
    if (value == nullptr || (value->is_array() && value->get_array().empty())) return;
    reader.Fail("context", "is not supported by this server: ask /api/chat, with all that was said before as messages",
                "unsupported_parameter");
  });
}

// What both ways to ask have in common.
void AddCommon(OllamaTable& table) {
  table.Add("model", StringSchema("A served name, with or without :latest. Default: the first."), &OllamaParams::model);
  table.Add("stream", BooleanSchema("A line of JSON for each piece of text.", true), &OllamaParams::stream);
  table.AddRead("options", OptionsTable().Schema(UnknownMembers::Policy::kIgnore), ReadOptions);
  table.AddRead("format",
                AnyOfSchema("\"json\": hold the text to a JSON object; a JSON Schema: to that.",
                            {StringSchema(""), ObjectSchema("", {})}),
                ReadOllamaFormat);
  boost::json::object keep_alive;
  keep_alive["description"] = "The model stays loaded, whatever it says.";
  table.AddRead("keep_alive", std::move(keep_alive), ReadKeepAlive);
  table.AddRead("think",
                AnyOfSchema("Whether the model thinks first, if its template knows how; or how hard. Default: as the "
                            "template has it.",
                            {BooleanSchema(""), StringSchema("low, medium or high")}),
                [](RequestReader& reader, OllamaParams& params) { params.thinking = ReadOllamaThink(reader); });
  table.Add("logprobs", BooleanSchema("Tell the log-probability of each token.", false), &OllamaParams::scores);
  table.AddRead(
      "top_logprobs",
      IntegerSchema("With logprobs: beside each token, so many of the most likely.", {.min = 0, .max = kMaxLogprobs}),
      [](RequestReader& reader, OllamaParams& params) { reader.Read("top_logprobs", &params.logprobs); });
  AddGrammarParameters(table);
  AddKnownParameters(kOllamaMembers, table);
  AddContext(table);
  AddMisplaced(OwnOptions(), "options", table);
  AddKnownParameters(KnownParameters(), table);
  AddKnownParameters(OpenAiParameters(), table);
}

const OllamaTable& GenerateRequest() {
  static const OllamaTable table = [] {
    OllamaTable made;
    made.Add("prompt", StringSchema("What the user says; without it the answer is at once that the model is loaded."),
             &OllamaParams::prompt);
    made.Add("system", StringSchema("What the system says before it."), &OllamaParams::system);
    made.Add("raw", BooleanSchema("The prompt is continued as it is, without the chat template.", false),
             &OllamaParams::raw);
    AddCommon(made);
    AddKnownParameters(kNoTools, made);
    return made;
  }();
  return table;
}

const OllamaTable& ChatRequest() {
  static const OllamaTable table = [] {
    OllamaTable made;
    bj::object messages = MessagesSchema();
    messages.erase("minItems");
    messages["description"] =
        "The conversation so far, rendered by the model's chat template. What the assistant said "
        "last it goes on with. Without any, the model is loaded, which it is.";
    made.AddRead("messages", std::move(messages), [](RequestReader& reader, OllamaParams& params) {
      const bj::value* given = reader.Take("messages");
      params.only_loads = given == nullptr || (given->is_array() && given->get_array().empty());
      if (!params.only_loads) ReadOllamaMessages(reader, &params.conversation);
    });
    bj::object tool = ObjectSchema(
        "", {{"type", StringSchema("function")},
             {"function",
              ObjectSchema("", {{"name", StringSchema("")},
                                {"description", Nullable(StringSchema(""))},
                                {"parameters",
                                 Nullable(ObjectSchema("JSON Schema of the arguments, which are an object.", {}))}})}});
    made.AddRead("tools", ArraySchema("Functions that the model may call. The client runs them.", std::move(tool)),
                 [](RequestReader& reader, OllamaParams& params) { ReadOllamaTools(reader, params); });
    AddCommon(made);
    return made;
  }();
  return table;
}

bj::object Message(std::string_view role, const std::string& content) {
  return {{"role", bj::string(role.data(), role.size())}, {"content", content}};
}

using Form = OllamaForm;

absl::StatusOr<OllamaParams> ParseOllama(const Service& service, std::string_view body, Form form,
                                         UnknownMembers* unknown) {
  const OllamaTable& table = form == Form::kGenerate ? GenerateRequest() : ChatRequest();
  BATUCADA_ASSIGN_OR_RETURN(OllamaParams params, table.Parse(body, unknown));
  params.model = WithoutLatest(params.model, service);
  params.names.prompt = form == Form::kGenerate ? "prompt" : "messages";
  // As there, a number alone asks for nothing.
  params.logprobs = params.scores ? std::optional(params.logprobs.value_or(0)) : std::nullopt;
  params.open_ended = true;
  if (form == Form::kChat) {
    if (params.conversation) SetOllamaThinking(params.thinking, params);
    return params;
  }
  if (params.raw || service.chat_template == nullptr) {
    if (!params.system.empty()) {
      return InvalidParameter("system", "system has no place in a prompt that is continued as it is: leave it out",
                              "unsupported_parameter");
    }
    if (params.thinking.on.value_or(!params.thinking.effort.empty())) {
      return InvalidParameter("think", "think has no effect on a prompt that is continued as it is: leave it out",
                              "unsupported_parameter");
    }
    params.prompts = {params.prompt};
    return params;
  }
  ChatInput& input = params.conversation.emplace();
  if (!params.system.empty()) input.messages.push_back(Message("system", params.system));
  input.messages.push_back(Message("user", params.prompt));
  input.ending = ChatEnding::kGenerationPrompt;
  SetOllamaThinking(params.thinking, params);
  return params;
}

std::string_view ApiOf(Form form) { return form == Form::kChat ? "ollama.chat" : "ollama.generate"; }

// Clients send it to have a model loaded: no prompt, or a conversation without messages.
bool AsksNothing(const OllamaParams& params, Form form) {
  return form == Form::kGenerate ? params.prompt.empty() : params.only_loads;
}

// What else they say is checked as ever, with a prompt that is one.
Answer Loaded(Service& service, const HttpRequest& request, OllamaParams params, Form form) {
  params.prompts = {" "};
  const absl::StatusOr<Translation> translation = Translate(params, service.translation(request.client));
  if (!translation.ok()) {
    NoteRefusal(service, OriginOf(request, std::string(ApiOf(form))), translation.status());
    return ErrorResponse(translation.status(), ErrorForm::kOpenInference);
  }
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("model").String(translation->model).Key("created_at");
  json.String(absl::FormatTime(absl::RFC3339_full, absl::Now(), absl::UTCTimeZone()));
  if (form == Form::kChat) {
    json.Key("message").BeginObject().Key("role").String("assistant").Key("content").String("").EndObject();
  } else {
    json.Key("response").String("");
  }
  json.Key("done").Bool(true).Key("done_reason").String(params.unloads ? "unload" : "load").EndObject();
  return response;
}

Answer HandleOllama(Service& service, const HttpRequest& request, Form form) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<OllamaParams> params = ParseOllama(service, request.body, form, &unknown);
  if (params.ok() && AsksNothing(*params, form)) return Loaded(service, request, *params, form);
  const OllamaScores scores = params.ok() && params->scores ? OllamaScores::kTold : OllamaScores::kNone;
  const absl::StatusOr<CompletionParams> plain =
      params.ok() ? absl::StatusOr<CompletionParams>(*std::move(params)) : params.status();
  return Tell(service, request, std::string(ApiOf(form)), plain, unknown,
              MakeOllamaDialect(service.engine.tokenizer(), form, scores), ErrorForm::kOpenInference);
}

Answer HandleOllamaGenerate(Service& service, const HttpRequest& request) {
  return HandleOllama(service, request, Form::kGenerate);
}
Answer HandleChat(Service& service, const HttpRequest& request) { return HandleOllama(service, request, Form::kChat); }

}  // namespace

void AddOllama(RouteList& list) {
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("OllamaGenerateRequest", GenerateRequest().Schema(unknown));
  list.AddSchema("OllamaChatRequest", ChatRequest().Schema(unknown));
  bj::object line = ObjectSchema("", {{"model", StringSchema("")}, {"done", BooleanSchema("")}});
  line["required"] = bj::array{"model", "created_at", "done"};
  list.AddSchema("OllamaLine", std::move(line));
  list.Post("/api/generate", "ollama.generate", HandleOllamaGenerate,
            {.summary = "Answer a prompt, as Ollama does",
             .request = "OllamaGenerateRequest",
             .answer = "OllamaLine",
             .streams = OperationSpec::Streams::kIfAsked,
             .stream_type = "application/x-ndjson",
             .error_form = ErrorForm::kOpenInference});
  list.Post("/api/chat", "ollama.chat", HandleChat,
            {.summary = "Continue a conversation, as Ollama does",
             .request = "OllamaChatRequest",
             .answer = "OllamaLine",
             .streams = OperationSpec::Streams::kIfAsked,
             .stream_type = "application/x-ndjson",
             .error_form = ErrorForm::kOpenInference});
  AddOllamaModels(list);
}

}  // namespace batucada
