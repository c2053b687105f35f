// llama.cpp's own API: POST /completion and /apply-template, GET /props and /slots.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/common/version.h"
#include "server/compat/compat.h"
#include "server/compat/dialect.h"
#include "server/compat/llama_answer.h"
#include "server/compat/llama_sampling.h"
#include "server/compat/llama_slots.h"
#include "server/generate/check_range.h"
#include "server/generate/prompt_encoder.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/openai/completion_request.h"
#include "server/openai/conversation.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/known_parameters.h"
#include "server/openai/logprobs_json.h"
#include "server/openai/sampling_parameters.h"
#include "server/openai/tokenizer_info.h"
#include "server/openai/tool_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;

struct LlamaParams : CompletionParams {
  LlamaParams() {
    names.max_tokens = "n_predict";
    names.logprobs = "n_probs";
  }
  bool return_tokens = false;
};
using LlamaTable = ParameterTable<LlamaParams>;

// A number at which a parameter means that there is none.
void ReadUnless(RequestReader& reader, std::string_view name, int64_t none, std::optional<int64_t>* field) {
  reader.Read(name, field);
  if (*field == none) field->reset();
}

// n_predict under a name of another server's.
void ReadSameLength(RequestReader& reader, std::string_view name, LlamaParams& params) {
  std::optional<int64_t> most;
  ReadUnless(reader, name, -1, &most);
  if (!most) return;
  reader.Fail(CheckParameter(name, *most, 0, std::numeric_limits<int64_t>::max()));
  if (params.max_tokens && *params.max_tokens != *most) {
    return reader.Fail(name,
                       fmt::format("is {} where another name of it says {}: give n_predict", *most, *params.max_tokens),
                       "invalid_value");
  }
  if (!params.max_tokens) params.names.max_tokens = name;
  params.max_tokens = most;
}

// stop under a name that SillyTavern sends beside it.
void ReadStoppingStrings(RequestReader& reader, LlamaParams& params) {
  std::vector<std::string> stop;
  reader.Read("stopping_strings", &stop);
  if (!stop.empty() && !params.stop.empty() && stop != params.stop) {
    return reader.Fail("stopping_strings", "and stop are both there and differ: give one of them", "invalid_value");
  }
  if (stop.empty() || !params.stop.empty()) return;
  params.stop = std::move(stop);
  params.names.Call("stop", "stopping_strings");
}

const LlamaTable& LlamaRequest() {
  static const LlamaTable table = [] {
    LlamaTable made;
    using P = LlamaParams;
    made.AddRead(
        "prompt", PromptSchema(), [](RequestReader& reader, P& params) { ReadPrompts(reader, params); },
        LlamaTable::Presence::kRequired);
    made.ReadApart("prompt");
    made.AddRead("n_predict", IntegerSchema("Tokens to generate at most; -1: until the model ends.", {.min = -1}),
                 [](RequestReader& reader, P& params) { ReadUnless(reader, "n_predict", -1, &params.max_tokens); });
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
      made.AddRead(name, IntegerSchema("The same, where n_predict says nothing.", {.min = -1}),
                   [name](RequestReader& reader, P& params) {
                     std::optional<int64_t> most;
                     ReadUnless(reader, name, -1, &most);
                     // Here, since n_predict hides it from the checks of what is asked for.
                     if (most) reader.Fail(CheckParameter(name, *most, 0, std::numeric_limits<int64_t>::max()));
                     if (!most || params.max_tokens) return;
                     params.max_tokens = most;
                     params.names.max_tokens = name;
                   });
    }
    for (const char* name : {"max_new_tokens", "num_predict"}) {
      made.AddRead(name, IntegerSchema("Another name of n_predict.", {.min = -1}),
                   [name](RequestReader& reader, P& params) { ReadSameLength(reader, name, params); });
    }
    made.Add("stream", BooleanSchema("A piece of text an event.", false), &P::stream);
    AddSamplingFields(SamplingKind::kFilter, made);
    made.AddRead("seed", IntegerSchema("-1 or 4294967295: random."), [](RequestReader& reader, P& params) {
      ReadUnless(reader, "seed", -1, &params.seed);
      if (params.seed == std::numeric_limits<uint32_t>::max()) params.seed.reset();
    });
    made.AddRead("stop",
                 AnyOfSchema("Generation ends before the first of these.",
                             {StringSchema(""), ArraySchema("", StringSchema(""))}),
                 [](RequestReader& reader, P& params) { reader.ReadOneOrMore("stop", &params.stop); });
    made.AddRead("stopping_strings", ArraySchema("Another name of stop.", StringSchema("")), ReadStoppingStrings);
    AddSamplingFields(SamplingKind::kLogits, made);
    AddRepeatPenalty(made);
    made.Add("min_tokens", IntegerSchema("Until so many tokens are generated, nothing ends the text.", {.min = 0}),
             &P::min_tokens);
    made.Add("ignore_eos", BooleanSchema("", false), &P::ignore_eos);
    made.AddRead("n_probs", IntegerSchema("Tell so many of the most likely tokens.", {.min = 0, .max = kMaxLogprobs}),
                 [](RequestReader& reader, P& params) { ReadUnless(reader, "n_probs", 0, &params.logprobs); });
    made.AddRead("id_slot", IntegerSchema("The session \"slot-ID\", for /slots/ID; -1: none.", {.min = -1}),
                 [](RequestReader& reader, P& params) {
                   std::optional<int64_t> slot;
                   ReadUnless(reader, "id_slot", -1, &slot);
                   if (slot) reader.Fail(CheckRange("id_slot", *slot, 0, kMostSlot));
                   if (slot) params.cache.session = SlotName(*slot);
                 });
    made.Add("return_tokens", BooleanSchema("Tell the tokens' ids.", false), &P::return_tokens);
    made.Add("model", StringSchema("A served name."), &P::model);
    made.AddRead("logit_bias",
                 AnyOfSchema("[[TOKEN ID, bias], …] or {\"TOKEN ID\": bias, …}; false as a bias: never. At most "
                             "--max-logit-biases.",
                             {ArraySchema("", ArraySchema("", {})), ObjectSchema("", {})}),
                 ReadLogitPairs);
    AddGrammarParameters(made);
    made.AddRead("samplers",
                 ArraySchema("Which act: penalties, temperature, top_k, top_p, min_p, in this order. Another order is "
                             "refused where it makes a difference.",
                             StringSchema("")),
                 ReadSamplers);
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

absl::StatusOr<LlamaParams> ParseLlama(std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(LlamaParams params, LlamaRequest().Parse(body, unknown));
  params.open_ended = true;
  // Nothing to generate: the prompt is computed, and there is no more to say of it.
  if (params.max_tokens == 0) params.prompt_logprobs = 0;
  return params;
}

Answer HandleCompletion(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<LlamaParams> params = ParseLlama(request.body, &unknown);
  std::unique_ptr<Dialect> dialect;
  if (params.ok()) {
    dialect = MakeLlamaDialect(service.engine.tokenizer(),
                               {.ids = params->return_tokens, .probabilities = params->logprobs.has_value()});
  }
  const absl::StatusOr<CompletionParams> plain =
      params.ok() ? absl::StatusOr<CompletionParams>(*std::move(params)) : params.status();
  return Tell(service, request, "llamacpp.completion", plain, unknown, std::move(dialect), ErrorForm::kOpenAi);
}

struct TemplateParams {
  std::optional<ChatInput> conversation;
};

const ParameterTable<TemplateParams>& TemplateRequest() {
  static const ParameterTable<TemplateParams> table = [] {
    ParameterTable<TemplateParams> made;
    AddConversation(made, &TemplateParams::conversation, ParameterTable<TemplateParams>::Presence::kRequired);
    AddOfferedTools(made, &TemplateParams::conversation);
    return made;
  }();
  return table;
}

absl::StatusOr<std::string> ApplyTemplate(Service& service, std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const TemplateParams params, TemplateRequest().Parse(body, unknown));
  if (!params.conversation) {
    return InvalidParameter("messages", "messages is missing: give a list of messages", "missing_parameter");
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, RenderConversation(*params.conversation, {.prompt = "messages"},
                                                                       service.chat_template.get()));
  std::string answer;
  JsonWriter(&answer).BeginObject().Key("prompt").String(text).EndObject();
  return answer;
}

Answer HandleApplyTemplate(Service& service, const HttpRequest& request) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<std::string> answer = ApplyTemplate(service, request.body, &unknown);
  if (!answer.ok()) return ErrorResponse(answer.status());
  HttpResponse response = JsonResponse(*std::move(answer));
  if (unknown.ignored > 0) response.headers.emplace_back(kIgnoredParameters, unknown.List());
  return response;
}

std::string Props(Service& service) {
  std::string body;
  JsonWriter json(&body);
  const EngineConfig& config = service.engine.config();
  const SamplingOverrides& defaults = service.engine.generation_defaults().sampling;
  json.BeginObject().Key("default_generation_settings").BeginObject();
  json.Key("n_ctx").Int(config.max_total_tokens).Key("params").BeginObject();
  json.Key("temperature").Number(defaults.temperature.value_or(1)).Key("top_k").Int(defaults.top_k.value_or(0));
  json.Key("top_p").Number(defaults.top_p.value_or(1)).Key("min_p").Number(defaults.min_p.value_or(0));
  json.Key("n_predict").Int(-1).EndObject().EndObject();
  json.Key("total_slots").Int(config.max_sequences).Key("model_alias").String(service.model_names.front());
  json.Key("model_path").String(service.model_names.front());
  const bj::value info = bj::parse(TokenizerInfo(service));
  for (const char* name : {"chat_template", "bos_token", "eos_token"}) {
    const bj::value* value = info.get_object().if_contains(name);
    json.Key(name).String(value != nullptr && value->is_string() ? value->get_string().c_str() : "");
  }
  json.Key("modalities").BeginObject().Key("vision").Bool(false).Key("audio").Bool(false).EndObject();
  json.Key("build_info").String(fmt::format("batucada {}", kVersion)).Key("is_sleeping").Bool(false).EndObject();
  return body;
}

// As many as are there; which of them work does not matter, so the first are told to.
Answer HandleSlots(Service& service, const HttpRequest&) {
  const EngineStats stats = service.engine.Stats();
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginArray();
  for (int64_t i = 0; i < stats.slots_total; ++i) {
    json.BeginObject().Key("id").Int(i).Key("n_ctx").Int(service.engine.config().max_total_tokens);
    json.Key("is_processing").Bool(i < stats.slots_used).EndObject();
  }
  json.EndArray();
  return response;
}

bj::object Required(bj::object schema, bj::array names) {
  schema["required"] = std::move(names);
  return schema;
}

}  // namespace

void AddLlamaCpp(RouteList& list) {
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("LlamaRequest", LlamaRequest().Schema(unknown));
  list.AddSchema("TemplateRequest", TemplateRequest().Schema(unknown));
  const bj::object text =
      Required(ObjectSchema("", {{"content", StringSchema("")}, {"stop", BooleanSchema("")}}), {"content", "stop"});
  list.AddSchema("LlamaText",
                 AnyOfSchema("A list of such where there is more than one text.", {text, ArraySchema("", text)}));
  list.AddSchema("LlamaProps",
                 Required(ObjectSchema("", {{"total_slots", IntegerSchema("")}, {"chat_template", StringSchema("")}}),
                          {"total_slots", "chat_template", "default_generation_settings"}));
  list.AddSchema(
      "LlamaSlots",
      ArraySchema("", Required(ObjectSchema("", {{"id", IntegerSchema("")}, {"is_processing", BooleanSchema("")}}),
                               {"id", "is_processing"})));
  const OperationSpec completion = {.summary = "Continue a text, as llama.cpp's server does",
                                    .request = "LlamaRequest",
                                    .answer = "LlamaText",
                                    .streams = OperationSpec::Streams::kIfAsked};
  list.Post("/completion", "llamacpp.completion", HandleCompletion, completion);
  list.Post("/completions", "llamacpp.completion", HandleCompletion, completion);
  list.Post(
      "/apply-template", "llamacpp.apply_template", HandleApplyTemplate,
      {.summary = "A conversation as the chat template writes it", .request = "TemplateRequest", .answer = "Text"});
  list.Document("/props", "llamacpp.props", Props(list.service()),
                {.summary = "The server's bounds and defaults, as llama.cpp tells them", .answer = "LlamaProps"});
  AddLlamaSlots(list);
  list.Get("/slots", "llamacpp.slots", HandleSlots,
           {.summary = "How many sequences run, as llama.cpp tells it", .answer = "LlamaSlots"});
}

}  // namespace batucada
