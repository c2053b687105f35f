// Text Generation Inference's API: POST /generate and /generate_stream, POST / for either, GET /info.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/common/version.h"
#include "server/compat/compat.h"
#include "server/compat/dialect.h"
#include "server/compat/misplaced.h"
#include "server/compat/sglang_generate.h"
#include "server/compat/tgi_answer.h"
#include "server/generate/translate.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/json/parameter_table.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/grammar_reader.h"
#include "server/openai/known_parameters.h"
#include "server/openai/logprobs_json.h"
#include "server/openai/sampling_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr int64_t kTgiDefaultTokens = 100;

struct TgiParams : CompletionParams {
  TgiParams() {
    names = {.prompt = "inputs", .max_tokens = "parameters.max_new_tokens", .logprobs = "parameters.top_n_tokens"};
  }
  std::string inputs;
  bool sample = false;
  bool details = false;
  bool prompt_details = false;  // the details tell of the prompt's tokens too
  bool full_text = false;
  int64_t top_n = 0;  // tokens to tell beside each
};
using TgiTable = ParameterTable<TgiParams>;

// Another name of max_new_tokens.
void ReadMaxTokens(RequestReader& reader, TgiParams& params) {
  std::optional<int64_t> most;
  reader.Read("max_tokens", &most);
  if (most && params.max_tokens && *most != *params.max_tokens) {
    return reader.Fail("max_tokens",
                       fmt::format("is {} and max_new_tokens is {}: give one of them", *most, *params.max_tokens),
                       "invalid_value");
  }
  if (!most || params.max_tokens) return;
  params.max_tokens = most;
  params.names.max_tokens = reader.FullName("max_tokens");
}

// Another name of stop.
void ReadStopSequences(RequestReader& reader, TgiParams& params) {
  std::vector<std::string> stop;
  reader.Read("stop_sequences", &stop);
  if (!stop.empty() && !params.stop.empty() && stop != params.stop) {
    return reader.Fail("stop_sequences", "and stop are both there and differ: give one of them", "invalid_value");
  }
  if (stop.empty() || !params.stop.empty()) return;
  params.stop = std::move(stop);
  params.names.Call("stop", reader.FullName("stop_sequences"));
}

// Unsigned there; the same bits here.
void ReadSeed(RequestReader& reader, TgiParams& params) {
  const bj::value* value = reader.Take("seed");
  if (value != nullptr && value->is_uint64()) {
    params.seed = static_cast<int64_t>(value->get_uint64());
  } else {
    reader.Read("seed", &params.seed);
  }
}

// What parameters acts on.
const TgiTable& OwnParameters() {
  static const TgiTable table = [] {
    TgiTable made;
    using P = TgiParams;
    made.Add("max_new_tokens", IntegerSchema("Tokens to generate at most.", {.min = 1, .fallback = kTgiDefaultTokens}),
             &P::max_tokens);
    made.Add(
        "do_sample",
        BooleanSchema("Draw tokens; without it, and without temperature, top_k and top_p, the most likely are taken.",
                      false),
        &P::sample);
    made.AddRead("max_tokens", IntegerSchema("Another name of max_new_tokens.", {.min = 1}), ReadMaxTokens);
    AddSamplingFields(SamplingKind::kFilter, made);
    AddSamplingFields(SamplingKind::kLogits, made);
    made.AddRead("seed", IntegerSchema(""), ReadSeed);
    made.Add("stop", ArraySchema("Generation ends behind the first of these.", StringSchema("")), &P::stop);
    made.AddRead("stop_sequences", ArraySchema("Another name of stop.", StringSchema("")), ReadStopSequences);
    made.AddNamed("truncate", "truncate_prompt_tokens",
                  IntegerSchema("Keep the last so many tokens of longer inputs.", {.min = 1}),
                  &P::truncate_prompt_tokens);
    made.Add("return_full_text", BooleanSchema("The text begins with the inputs.", false), &P::full_text);
    made.Add("details", BooleanSchema("Tell each token, and why the text ended.", false), &P::details);
    made.AddRead(
        "top_n_tokens",
        IntegerSchema("With details: beside each token, so many of the most likely.", {.min = 0, .max = kMaxLogprobs}),
        [](RequestReader& reader, P& params) {
          std::optional<int64_t> top;
          reader.Read("top_n_tokens", &top);
          params.top_n = top.value_or(0);
        });
    made.Add("decoder_input_details",
             BooleanSchema("With details: tell the prompt's tokens too. Not of streams.", false), &P::prompt_details);
    made.Add("best_of",
             IntegerSchema("Draw so many texts, at most --max-choices, and answer with the one of the highest mean "
                           "log-probability a token; details have the others. Not of streams, and not with a seed.",
                           {.min = 1}),
             &P::best_of);
    made.AddRead("grammar", FormatSchema("Hold the text to a JSON Schema or a regular expression."),
                 [](RequestReader& reader, P& params) { ReadFormatObject(reader, params, "grammar"); });
    AddGrammarParameters(made);
    return made;
  }();
  return table;
}

const TgiTable& GenerateParameters() {
  static const TgiTable table = [] {
    TgiTable made = OwnParameters();
    made.AddRefused("typical_p", {1}, "Not supported at other values.");
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

void ReadGenerateParameters(RequestReader& reader, TgiParams& params) {
  const bj::value* value = reader.Take("parameters");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("parameters", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  RequestReader members(value->get_object(), "parameters.", reader);
  GenerateParameters().ReadMembers(members, params);
  reader.Fail(members.Finish());
}

// Of Hugging Face's own service, whose clients send it to any server: how it is to wait, which changes no answer.
void ReadHubOptions(RequestReader& reader, TgiParams&) {
  const bj::value* value = reader.Take("options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("options", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  RequestReader members(value->get_object(), "options.", reader);
  for (const char* name : {"use_cache", "wait_for_model", "use_gpu", "dont_load_model"}) members.Take(name);
  for (const auto& member : value->get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    if (!GenerateParameters().Has(name)) continue;
    return reader.Fail("options", fmt::format("has {}: put it into parameters", name), "unsupported_parameter");
  }
  reader.Fail(members.Finish());
}

const TgiTable& TgiRequest() {
  static const TgiTable table = [] {
    TgiTable made;
    for (const char* name : {"text", "input_ids", "sampling_params"}) {
      bj::object none;
      none["description"] = "SGLang's: POST /generate takes it, without inputs.";
      none["enum"] = bj::array{nullptr};
      made.AddRead(name, std::move(none), [name](RequestReader& reader, TgiParams&) {
        if (reader.Take(name) == nullptr) return;
        reader.Fail(name,
                    "is SGLang's, which POST /generate takes without inputs; this is TGI's, with inputs and parameters",
                    "unsupported_parameter");
      });
    }
    made.AddRead(
        "inputs", StringSchema("The prompt."),
        [](RequestReader& reader, TgiParams& params) {
          if (reader.Take("inputs") == nullptr) {
            return reader.Fail("inputs", "is missing: give a string", "missing_parameter");
          }
          reader.Read("inputs", &params.inputs);
        },
        TgiTable::Presence::kRequired);
    made.AddRead("parameters", GenerateParameters().Schema(UnknownMembers::Policy::kIgnore), ReadGenerateParameters);
    made.Add("stream", BooleanSchema("Only of POST /: one token an event.", false), &TgiParams::stream);
    made.AddRead("options", ObjectSchema("Hugging Face's, such as wait_for_model. No answer depends on them.", {}),
                 ReadHubOptions);
    AddMisplaced(OwnParameters(), "parameters", made);
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

absl::Status BestOfNeeds(std::string_view what) {
  return InvalidParameter("parameters.best_of", fmt::format("parameters.best_of more than 1 needs {}", what));
}

absl::StatusOr<TgiParams> ParseTgi(const absl::StatusOr<bj::object>& body, UnknownMembers* unknown) {
  if (!body.ok()) return body.status();
  BATUCADA_ASSIGN_OR_RETURN(TgiParams params, TgiRequest().ReadObject(*body, Typing::kStrict, unknown));
  params.prompts = {params.inputs};
  if (!params.max_tokens) params.max_tokens = kTgiDefaultTokens;
  // The model's own defaults are not theirs: unless something asks to draw, the most likely token is taken.
  const bool sample = params.sample || params.temperature || params.top_k || params.top_p;
  if (!params.temperature) params.temperature = sample ? 1 : 0;
  if (!params.top_k) params.top_k = 0;
  if (!params.top_p) params.top_p = 1;
  params.logprobs = params.top_n;  // every token comes with its own
  params.include_stop = true;
  if (params.best_of.value_or(1) > 1) {
    if (!sample) return BestOfNeeds("sampling: set do_sample to true");
    if (params.seed) return BestOfNeeds("no seed: leave it out");
  }
  if (params.prompt_details && params.details) params.prompt_logprobs = 0;
  return params;
}

// What only a whole answer has a place for.
absl::Status CheckStream(const TgiParams& params) {
  if (!params.stream) return absl::OkStatus();
  if (params.best_of.value_or(1) > 1) return BestOfNeeds("a whole answer: it is not for streams");
  if (!params.prompt_details) return absl::OkStatus();
  return InvalidParameter("parameters.decoder_input_details",
                          "parameters.decoder_input_details needs a whole answer: it is not for streams",
                          "unsupported_parameter");
}

enum class Streams : uint8_t { kNever, kAlways, kIfAsked };

Answer HandleTgi(Service& service, const HttpRequest& request, const absl::StatusOr<bj::object>& body, TgiForm form,
                 Streams streams) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<TgiParams> params = ParseTgi(body, &unknown);
  std::unique_ptr<Dialect> dialect;
  if (params.ok()) {
    if (streams != Streams::kIfAsked) params->stream = streams == Streams::kAlways;
    dialect = MakeTgiDialect(service.engine.tokenizer(), form,
                             {.tokens = params->details,
                              .prompt = params->prompt_logprobs.has_value(),
                              .full_text = params->full_text,
                              .top_n = params->top_n,
                              .several = params->best_of.value_or(1) > 1});
    if (absl::Status status = CheckStream(*params); !status.ok()) params = std::move(status);
  }
  const absl::StatusOr<CompletionParams> plain =
      params.ok() ? absl::StatusOr<CompletionParams>(*std::move(params)) : params.status();
  return Tell(service, request, "tgi.generate", plain, unknown, std::move(dialect), ErrorForm::kTgi);
}

Answer HandleRoot(Service& service, const HttpRequest& request) {
  return HandleTgi(service, request, ParseBody(request.body), TgiForm::kList, Streams::kIfAsked);
}
Answer HandleTgiGenerate(Service& service, const HttpRequest& request) {
  const absl::StatusOr<bj::object> body = ParseBody(request.body);
  if (body.ok() && IsSglang(*body)) return SglangGenerate(service, request, *body);
  return HandleTgi(service, request, body, TgiForm::kObject, Streams::kNever);
}
Answer HandleGenerateStream(Service& service, const HttpRequest& request) {
  return HandleTgi(service, request, ParseBody(request.body), TgiForm::kObject, Streams::kAlways);
}

Answer HandleInfo(Service& service, const HttpRequest&) {
  HttpResponse response;
  JsonWriter json(&response.body);
  const EngineConfig& config = service.engine.config();
  json.BeginObject().Key("model_id").String(service.model_names.front()).Key("model_sha").String(service.fingerprint);
  json.Key("model_device_type").String(BackendName(config.backend)).Key("model_pipeline_tag").String("text-generation");
  json.Key("max_concurrent_requests")
      .Int(config.max_sequences + config.max_waiting)
      .Key("max_best_of")
      .Int(service.config.request.max_choices);
  json.Key("max_stop_sequences").Int(service.config.request.max_stop_strings);
  json.Key("max_input_tokens").Int(config.max_total_tokens - 1).Key("max_total_tokens").Int(config.max_total_tokens);
  json.Key("max_batch_total_tokens").Int(config.max_batch_tokens).Key("max_client_batch_size").Int(1);
  json.Key("validation_workers").Int(1).Key("router").String("batucada").Key("version").String(kVersion);
  json.Key("sha").Null().Key("docker_label").Null().EndObject();
  return response;
}

}  // namespace

void AddTgi(RouteList& list) {
  const UnknownMembers::Policy unknown = list.service().config.unknown_members();
  list.AddSchema("TgiRequest", TgiRequest().Schema(unknown));
  bj::object text = ObjectSchema("", {{"generated_text", StringSchema("")}});
  text["required"] = bj::array{"generated_text"};
  list.AddSchema("TgiText", text);
  list.AddSchema("SglangRequest", SglangRequestSchema(unknown));
  bj::object native = ObjectSchema("", {{"text", StringSchema("")},
                                        {"output_ids", ArraySchema("", IntegerSchema(""))},
                                        {"meta_info", ObjectSchema("", {})}});
  native["required"] = bj::array{"text", "output_ids", "meta_info"};
  list.AddSchema("SglangText", AnyOfSchema("A list where several were asked for.", {native, ArraySchema("", native)}));
  const auto either = [](std::string_view one, std::string_view other) {
    return AnyOfSchema("", {SchemaReference(one), SchemaReference(other)});
  };
  list.AddSchema("NativeRequest", either("TgiRequest", "SglangRequest"));
  list.AddSchema("NativeText", either("TgiText", "SglangText"));
  list.AddSchema("TgiTexts", AnyOfSchema("A list of one; with \"stream\": true events.", {ArraySchema("", text)}));
  // /generate is SGLang's, too, whose errors are objects.
  bj::object error = ObjectSchema(
      "", {{"error", AnyOfSchema("", {StringSchema(""), ObjectSchema("", {})})}, {"error_type", StringSchema("")}});
  error["required"] = bj::array{"error"};
  list.AddSchema("TgiError", std::move(error));
  bj::object info = ObjectSchema("", {{"model_id", StringSchema("")}, {"max_total_tokens", IntegerSchema("")}});
  info["required"] = bj::array{"model_id", "max_total_tokens"};
  list.AddSchema("TgiInfo", std::move(info));

  list.Post("/generate", "tgi.generate", HandleTgiGenerate,
            {.summary = "Continue a text, as TGI does, or as SGLang does where the body has its names",
             .request = "NativeRequest",
             .answer = "NativeText",
             .streams = OperationSpec::Streams::kIfAsked,
             .error_form = ErrorForm::kTgi});
  list.Post("/generate_stream", "tgi.generate_stream", HandleGenerateStream,
            {.summary = "Continue a text as TGI does, one token an event",
             .request = "TgiRequest",
             .answer = "EventStream",
             .answer_type = "text/event-stream",
             .error_form = ErrorForm::kTgi});
  list.Post("/", "tgi.root", HandleRoot,
            {.summary = "Continue a text, whole or streamed, as TGI does",
             .request = "TgiRequest",
             .answer = "TgiTexts",
             .streams = OperationSpec::Streams::kIfAsked,
             .error_form = ErrorForm::kTgi});
  list.Get("/info", "tgi.info", HandleInfo,
           {.summary = "The model and its bounds, as TGI tells them", .answer = "TgiInfo"});
}

}  // namespace batucada
