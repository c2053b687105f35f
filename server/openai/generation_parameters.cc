#include "server/openai/generation_parameters.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/json.h"
#include "server/common/request_id.h"
#include "server/generate/logit_controls.h"
#include "server/generate/translate.h"
#include "server/openai/cache_parameters.h"
#include "server/openai/sampling_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;

void ReadRandomSeed(RequestReader& reader, Params& params) {
  std::optional<int64_t> seed;
  reader.Read("random_seed", &seed);
  if (seed && params.seed && *seed != *params.seed) {
    return reader.Fail("random_seed", "and seed are both there and differ: give one of them", "invalid_value");
  }
  if (seed) params.seed = seed;
}

void AddSampling(CompletionTable& table) {
  AddSamplingFields(SamplingKind::kFilter, table);
  table.Add("seed",
            IntegerSchema("The same request and seed give the same text, whatever else runs. Default: random.",
                          {.min = std::numeric_limits<int64_t>::min(), .max = std::numeric_limits<int64_t>::max()}),
            &Params::seed);
  table.AddReadPresent("random_seed", IntegerSchema("Mistral's name of seed."), ReadRandomSeed);
}

// {"TOKEN ID": bias, …}
void ReadLogitBias(RequestReader& reader, Params& params) {
  constexpr std::string_view kName = "logit_bias";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  if (!value->is_object()) return reader.Fail(kName, fmt::format("must be an object, not {}", DescribeJson(*value)));
  for (const auto& [key, bias] : value->get_object()) {
    int64_t id = 0;
    const std::string member = fmt::format("{}.{}", kName, Printable({key.data(), key.size()}));
    // Digits alone: SimpleAtoi would also take a sign, and blanks around them.
    const bool digits = std::all_of(key.begin(), key.end(), absl::ascii_isdigit);
    if (!digits || !absl::SimpleAtoi(absl::string_view(key.data(), key.size()), &id)) {
      return reader.Fail(member, "is not a token id");
    }
    const std::optional<double> number = AsNumber(bias, reader.typing());
    if (!number) return reader.Fail(member, fmt::format("must be a number, not {}", DescribeJson(bias)));
    params.logit_bias.emplace_back(id, *number);
  }
}

void AddLogitControls(CompletionTable& table) {
  AddSamplingFields(SamplingKind::kLogits, table);
  bj::object bias = ObjectSchema("Biases that are added to logits, by token id. At most --max-logit-biases.", {});
  bias.erase("properties");
  bias["propertyNames"] = bj::object{{"pattern", "^[0-9]+$"}};
  bias["additionalProperties"] = NumberSchema("", {.min = -kMaxLogitBias, .max = kMaxLogitBias});
  table.AddReadPresent("logit_bias", std::move(bias), ReadLogitBias);
  table.Add("min_tokens",
            IntegerSchema("Until so many tokens are generated, nothing ends the text. At most max_tokens.",
                          {.min = 0, .fallback = 0}),
            &Params::min_tokens);
  bj::object allowed = ArraySchema("Generate only these token ids.", IntegerSchema("", {.min = 0}));
  allowed["minItems"] = 1;
  table.Add("allowed_token_ids", std::move(allowed), &Params::allowed_token_ids);
  bj::object words = ArraySchema("Words that must not come, of at most 8 tokens each.", StringSchema(""));
  words["maxItems"] = kMaxBadWords;
  table.Add("bad_words", std::move(words), &Params::bad_words);
}

void AddStops(CompletionTable& table) {
  bj::object stop = StringSchema("");
  stop["minLength"] = 1;
  table.AddReadPresent(
      "stop",
      AnyOfSchema("Generation ends before the first of these appears. At most --max-stop-strings of them, of "
                  "at most 1024 bytes each.",
                  {stop, ArraySchema("", stop)}),
      [](RequestReader& reader, Params& params) { reader.ReadOneOrMore("stop", &params.stop); });
  bj::object ids = ArraySchema("Generation ends with any of these ids, besides the model's own end tokens.",
                               IntegerSchema("", {.min = 0}));
  ids["maxItems"] = kMaxStopTokenIds;
  table.Add("stop_token_ids", std::move(ids), &Params::stop_token_ids);
  table.Add("ignore_eos", BooleanSchema("Do not end at the model's own end tokens.", false), &Params::ignore_eos);
  table.Add("include_stop_str_in_output",
            BooleanSchema("The text ends with the stop string, or the token of stop_token_ids, that ended it.", false),
            &Params::include_stop);
}

// vLLM's name and SGLang's of the same.
void ReadRequestId(RequestReader& reader, Params& params) {
  std::string other;
  reader.Read("request_id", &params.request_id);
  reader.Read("rid", &other);
  for (const auto& [name, id] : {std::pair("request_id", &params.request_id), std::pair("rid", &other)}) {
    if (id->empty() || IsSoundRequestId(*id)) continue;
    return reader.Fail(name, "must be 1 to 128 printable ASCII characters, without spaces or quotes", "invalid_value");
  }
  if (other.empty()) return;
  if (!params.request_id.empty() && params.request_id != other) {
    return reader.Fail("rid", "and request_id are both there and differ: give one of them", "invalid_value");
  }
  params.request_id = std::move(other);
}

// Whether a decoder puts spaces between special tokens matters only where these show.
void ReadSpecialSpaces(RequestReader& reader, Params& params) {
  bool spaces = true;
  reader.Read("spaces_between_special_tokens", &spaces);
  if (!spaces && !params.skip_special_tokens) {
    reader.Fail("spaces_between_special_tokens",
                "is false, which is not supported with \"skip_special_tokens\": false: leave one of them out",
                "unsupported_parameter");
  }
}

void ReadStreamOptions(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("stream_options", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  if (!params.stream) return reader.Fail("stream_options", "is only allowed with \"stream\": true", "invalid_value");
  RequestReader options(value->get_object(), "stream_options.", reader);
  options.Read("include_usage", &params.include_usage);
  options.Read("continuous_usage_stats", &params.continuous_usage);
  options.Refuse("include_obfuscation", {false});
  reader.Fail(options.Finish());
}

void AddStream(CompletionTable& table) {
  table.Add("stream", BooleanSchema("Answer with server-sent events as tokens are made.", false), &Params::stream);
  bj::object options = ObjectSchema(
      "Only with \"stream\": true.",
      {{"include_usage", Nullable(BooleanSchema("Send a last chunk with the usage.", false))},
       {"continuous_usage_stats",
        Nullable(BooleanSchema("With include_usage: every chunk has the usage so far, of its choice.", false))},
       {"include_obfuscation", {{"description", "Not supported."}, {"enum", {false, nullptr}}}}});
  table.AddReadPresent("stream_options", std::move(options), ReadStreamOptions);
}

}  // namespace

void AddGenerationParameters(CompletionTable& table) {
  table.Add("model", StringSchema("A served name. Default: the first."), &Params::model);
  table.Add("n", IntegerSchema("Texts to generate for each prompt; at most --max-choices.", {.min = 1, .fallback = 1}),
            &Params::n);
  AddSampling(table);
  AddLogitControls(table);
  AddStops(table);
  AddStream(table);
  table.Add("prompt_logprobs",
            IntegerSchema("Report the log-probability of every prompt token but the first, and so many alternatives. "
                          "Not with \"stream\".",
                          {.min = 0, .max = kMaxLogprobs}),
            &Params::prompt_logprobs);
  table.Add(
      "truncate_prompt_tokens",
      IntegerSchema("Keep the last so many tokens of a longer prompt; -1: as many as there is room for.", {.min = -1}),
      &Params::truncate_prompt_tokens);
  table.Add("skip_special_tokens", BooleanSchema("Special tokens add nothing to the text.", true),
            &Params::skip_special_tokens);
  table.Add("return_token_ids", BooleanSchema("Report the ids of the prompt and of what was generated.", false),
            &Params::return_token_ids);
  table.Add(
      "priority",
      IntegerSchema("Smaller numbers go first. Below 0 a request is urgent: it has a queue of its own, and "
                    "--urgent-sequences keeps places for such, and --park lets them have others put aside for a while. "
                    "Smaller than the client's key allows counts as that.",
                    {.min = kMostUrgent, .max = kLeastUrgent, .fallback = 0}),
      &Params::priority);
  AddCacheParameters(table);
  table.AddIgnored("user", "Who asks. No answer depends on it.");
  table.AddIgnored("safety_identifier", "Who asks. No answer depends on it.");
  table.AddReadPresent("metadata", ObjectSchema("Nothing is kept. No answer depends on it.", {}),
                       [](RequestReader& reader, Params&) {
                         const bj::value* value = reader.Take("metadata");
                         if (value == nullptr || value->is_object()) return;
                         reader.Fail("metadata", fmt::format("must be an object, not {}", DescribeJson(*value)));
                       });
  table.AddReadPresent(
      "request_id",
      StringSchema("Instead of the header x-request-id, which comes first: 1 to 128 printable characters."),
      ReadRequestId);
  table.AddBeside("rid", StringSchema("Another name of request_id."), "request_id");
  table.Add(
      "return_tokens_as_token_ids",
      BooleanSchema("Tokens in log-probabilities are named \"token_id:ID\", which tells all of them apart.", false),
      &Params::return_tokens_as_token_ids);
  table.AddReadPresent(
      "spaces_between_special_tokens",
      BooleanSchema("false has no effect while special tokens are skipped, and is refused otherwise.", true),
      ReadSpecialSpaces);
}

}  // namespace batucada
