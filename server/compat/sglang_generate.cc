#include "server/compat/sglang_generate.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/compat/dialect.h"
#include "server/compat/llama_sampling.h"
#include "server/compat/misplaced.h"
#include "server/compat/sglang_answer.h"
#include "server/generate/check_range.h"
#include "server/generate/translate.h"
#include "server/json/parameter_table.h"
#include "server/openai/completion_request.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/known_parameters.h"
#include "server/openai/sampling_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr int64_t kSglangDefaultTokens = 128;
constexpr int64_t kNoPromptScores = -1;

struct SglangParams : CompletionParams {
  SglangParams() {
    names.max_tokens = "sampling_params.max_new_tokens";
    names.logprobs = "top_logprobs_num";
  }
  bool one_text = true;  // else the answer is a list
  bool scores = false;   // log-probabilities are told
  bool token_texts = false;
  int64_t first_score = kNoPromptScores;  // the first token of the prompt that is told of
  int64_t top = 0;                        // of the most likely tokens, beside each
};
using SglangTable = ParameterTable<SglangParams>;

// Another name of `field`.
template <typename Field>
void ReadSame(RequestReader& reader, std::string_view name, std::string_view first, std::optional<Field>* field) {
  std::optional<Field> other;
  reader.Read(name, &other);
  if (other && *field && **field != *other) {
    return reader.Fail(name, fmt::format("and {} are both there and differ: give one of them", first), "invalid_value");
  }
  if (other) *field = other;
}

// What sampling_params acts on.
const SglangTable& OwnSampling() {
  static const SglangTable table = [] {
    SglangTable made;
    using P = SglangParams;
    made.Add("max_new_tokens",
             IntegerSchema("Tokens to generate at most.", {.min = 0, .fallback = kSglangDefaultTokens}),
             &P::max_tokens);
    made.AddRead("max_tokens", IntegerSchema("Another name of max_new_tokens.", {.min = 0}),
                 [](RequestReader& reader, P& params) {
                   const bool named = params.max_tokens.has_value();
                   ReadSame(reader, "max_tokens", "max_new_tokens", &params.max_tokens);
                   if (!named && params.max_tokens) params.names.max_tokens = reader.FullName("max_tokens");
                 });
    AddSamplingFields(SamplingKind::kFilter, made);
    AddSamplingFields(SamplingKind::kLogits, made);
    made.AddNamed("min_new_tokens", "min_tokens",
                  IntegerSchema("Until so many tokens are generated, nothing ends the text.", {.min = 0}),
                  &P::min_tokens);
    made.AddRead(
        "min_tokens", IntegerSchema("Another name of min_new_tokens.", {.min = 0}),
        [](RequestReader& reader, P& params) { ReadSame(reader, "min_tokens", "min_new_tokens", &params.min_tokens); });
    made.Add("n", IntegerSchema("Texts to generate for each prompt; at most --max-choices.", {.min = 1}), &P::n);
    made.Add("sampling_seed", IntegerSchema("The same request and seed give the same text. Default: random."),
             &P::seed);
    made.AddRead("seed", IntegerSchema("Another name of sampling_seed."),
                 [](RequestReader& reader, P& params) { ReadSame(reader, "seed", "sampling_seed", &params.seed); });
    made.AddRead("stop",
                 AnyOfSchema("Generation ends before the first of these.",
                             {StringSchema(""), ArraySchema("", StringSchema(""))}),
                 [](RequestReader& reader, P& params) { reader.ReadOneOrMore("stop", &params.stop); });
    made.Add("stop_token_ids", ArraySchema("Generation ends with any of these ids.", IntegerSchema("", {.min = 0})),
             &P::stop_token_ids);
    made.Add("no_stop_trim", BooleanSchema("The text ends with the stop string that ended it.", false),
             &P::include_stop);
    made.Add("ignore_eos", BooleanSchema("", false), &P::ignore_eos);
    made.Add("skip_special_tokens", BooleanSchema("Special tokens add nothing to the text.", true),
             &P::skip_special_tokens);
    made.AddRead("logit_bias", ObjectSchema("Biases that are added to logits, by token id.", {}), ReadLogitPairs);
    AddGrammarParameters(made);
    return made;
  }();
  return table;
}

const SglangTable& SamplingParameters() {
  static const SglangTable table = [] {
    SglangTable made = OwnSampling();
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

void ReadSampling(RequestReader& reader, SglangParams& params) {
  const bj::value* value = reader.Take("sampling_params");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("sampling_params",
                       fmt::format("must be an object, for all texts the same, not {}", DescribeJson(*value)));
  }
  RequestReader members(value->get_object(), "sampling_params.", reader);
  SamplingParameters().ReadMembers(members, params);
  reader.Fail(members.Finish());
}

// A text or ids are one; a list of either is answered with a list, even if it has one.
void ReadPrompt(RequestReader& reader, SglangParams& params) {
  const bj::value* text = reader.Take("text");
  const bj::value* ids = reader.Take("input_ids");
  if (text != nullptr && ids != nullptr) {
    return reader.Fail("input_ids", "and text are both there: give one of them", "invalid_value");
  }
  const bj::value* given = text != nullptr ? text : ids;
  if (given == nullptr) return reader.Fail("text", "is missing: give a string, or input_ids", "missing_parameter");
  const bool list = given->is_array() && !given->get_array().empty();
  const bool of_ids = list ? !given->get_array().front().is_string() : !given->is_string();
  if (of_ids != (ids != nullptr)) {
    return text != nullptr
               ? reader.Fail("text", fmt::format("must be a string or a list of strings, not {}", DescribeJson(*given)))
               : reader.Fail("input_ids", "must be a list of token ids or a list of such lists");
  }
  params.one_text = !list || given->get_array().front().is_number();
  params.names.prompt = text != nullptr ? "text" : "input_ids";
  ReadPromptsOf(reader, params.names.prompt, *given, &params.prompts);
}

const SglangTable& SglangRequest() {
  static const SglangTable table = [] {
    SglangTable made;
    using P = SglangParams;
    made.AddRead("text",
                 AnyOfSchema("The prompt, or a list of them.", {StringSchema(""), ArraySchema("", StringSchema(""))}),
                 ReadPrompt);
    made.AddRead("input_ids", ArraySchema("Token ids instead of a text, or a list of such lists.", {}),
                 [](RequestReader&, P&) {});
    made.AddRead("sampling_params", SamplingParameters().Schema(UnknownMembers::Policy::kIgnore), ReadSampling);
    made.Add("model", StringSchema("A served name. Default: the first."), &P::model);
    made.AddRead(
        "rid", StringSchema("Instead of the header x-request-id, which comes first: 1 to 128 printable characters."),
        [](RequestReader& reader, P& params) {
          reader.Read("rid", &params.request_id);
          if (params.request_id.empty() || IsSoundRequestId(params.request_id)) return;
          reader.Fail("rid", "must be 1 to 128 printable ASCII characters, without spaces or quotes", "invalid_value");
        });
    made.Add("stream", BooleanSchema("Of one text: an event as it grows, with all of it so far.", false), &P::stream);
    made.Add("return_logprob", BooleanSchema("Tell the log-probability of each token. Not of streams.", false),
             &P::scores);
    made.AddRead("logprob_start_len",
                 IntegerSchema("With return_logprob: the first token of the prompt to tell of; -1: none.",
                               {.min = kNoPromptScores, .fallback = kNoPromptScores}),
                 [](RequestReader& reader, P& params) {
                   std::optional<int64_t> first;
                   reader.Read("logprob_start_len", &first);
                   if (!first) return;
                   reader.Fail(CheckParameter("logprob_start_len", *first, kNoPromptScores,
                                              std::numeric_limits<int32_t>::max()));
                   params.first_score = *first;
                 });
    made.AddRead("top_logprobs_num",
                 IntegerSchema("With return_logprob: beside each token, so many of the most likely.",
                               {.min = 0, .max = kMaxLogprobs}),
                 [](RequestReader& reader, P& params) {
                   std::optional<int64_t> top;
                   reader.Read("top_logprobs_num", &top);
                   params.top = top.value_or(0);
                 });
    made.Add("return_text_in_logprobs", BooleanSchema("Log-probabilities come with the tokens' texts.", false),
             &P::token_texts);
    AddMisplaced(OwnSampling(), "sampling_params", made);
    AddKnownParameters(KnownParameters(), made);
    AddKnownParameters(OpenAiParameters(), made);
    return made;
  }();
  return table;
}

absl::StatusOr<SglangParams> ParseSglang(const bj::object& body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(SglangParams params, SglangRequest().ReadObject(body, Typing::kStrict, unknown));
  if (!params.max_tokens) params.max_tokens = kSglangDefaultTokens;
  if (params.scores) {
    params.logprobs = params.top;
    if (params.first_score != kNoPromptScores) params.prompt_logprobs = params.top;
  }
  // Nothing to generate: the prompt is computed, and there is no more to say of it.
  if (params.max_tokens == 0 && !params.prompt_logprobs) params.prompt_logprobs = 0;
  if (!params.stream) return params;
  // An event tells all there is so far: what that may come to is bounded for one text alone.
  if (params.scores) {
    return InvalidParameter("return_logprob", "return_logprob needs a whole answer: it is not for streams",
                            "unsupported_parameter");
  }
  if (params.prompts.size() > 1 || params.n.value_or(1) > 1) {
    return InvalidParameter("stream", "stream tells one text: ask for several without it, or one by one",
                            "unsupported_parameter");
  }
  return params;
}

}  // namespace

bool IsSglang(const bj::object& body) {
  return !body.contains("inputs") &&
         (body.contains("text") || body.contains("input_ids") || body.contains("sampling_params"));
}

Answer SglangGenerate(Service& service, const HttpRequest& request, const bj::object& body) {
  UnknownMembers unknown = {.policy = service.config.unknown_members()};
  absl::StatusOr<SglangParams> params = ParseSglang(body, &unknown);
  std::unique_ptr<Dialect> dialect;
  if (params.ok()) {
    dialect = MakeSglangDialect(service.engine.tokenizer(), {.list = !params->one_text || params->n.value_or(1) > 1,
                                                             .scores = params->scores,
                                                             .token_texts = params->token_texts,
                                                             .first_score = params->first_score,
                                                             .top = params->top});
  }
  const absl::StatusOr<CompletionParams> plain =
      params.ok() ? absl::StatusOr<CompletionParams>(*std::move(params)) : params.status();
  return Tell(service, request, "sglang.generate", plain, unknown, std::move(dialect), ErrorForm::kOpenAi);
}

bj::object SglangRequestSchema(UnknownMembers::Policy policy) { return SglangRequest().Schema(policy); }

}  // namespace batucada
