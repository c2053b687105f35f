#include "server/open_inference/backend_names.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/status.h"
#include "server/common/error.h"
#include "server/json/request_reader.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// Other names of what completions have.
const std::map<std::string_view, std::string_view>& Renamed() {
  static const std::map<std::string_view, std::string_view> names = {{"text_input", "prompt"},
                                                                     {"stop_words", "stop"},
                                                                     {"random_seed", "seed"},
                                                                     {"min_length", "min_tokens"},
                                                                     {"num_return_sequences", "n"}};
  return names;
}

// What this server does not do, with the values that ask for nothing. An answer here is text alone, so that whatever
// would report more is among them; echo is exclude_input_in_output's to say.
const std::map<std::string_view, std::vector<bj::value>>& Refused() {
  static const std::map<std::string_view, std::vector<bj::value>> names = {
      {"beam_search_diversity_rate", {0}},
      {"beam_width", {1}},
      {"early_stopping", {false, 0}},
      {"echo", {}},
      {"embedding_bias_weights", {""}},
      {"embedding_bias_words", {""}},
      {"length_penalty", {1, 0}},
      {"logprobs", {}},
      {"prompt_logprobs", {}},
      {"return_context_logits", {false}},
      {"return_cumulative_logprob", {false}},
      {"return_finish_reason", {false}},
      {"return_generation_logits", {false}},
      {"return_log_probs", {false}},
      {"return_logprobs", {false}},
      {"return_num_input_tokens", {false}},
      {"return_num_output_tokens", {false}},
      {"return_perf_metrics", {false}},
      {"return_token_ids", {false}},
      {"top_p_decay", {1}},
      {"use_beam_search", {false}},
  };
  return names;
}

bool IsEmptyWord(const bj::value& value) { return value.is_string() && value.get_string().empty(); }

// Words that end or must not come: the backends' clients send an empty one for none.
bj::value WithoutEmptyWords(const bj::value& words) {
  if (!words.is_array()) return IsEmptyWord(words) ? bj::value(nullptr) : words;
  bj::array kept;
  std::copy_if(words.get_array().begin(), words.get_array().end(), std::back_inserter(kept),
               [](const bj::value& word) { return !IsEmptyWord(word); });
  return kept.empty() ? bj::value(nullptr) : bj::value(std::move(kept));
}

// TensorRT-LLM's: the id that ends the text, and the one that fills up shapes, of which there are none here.
absl::Status ReadIds(const bj::object& given, bj::object* members, ParameterNames* names) {
  for (const std::string_view name : {"end_id", "pad_id"}) {
    const bj::value* const value = given.if_contains(bj::string_view(name.data(), name.size()));
    if (value == nullptr || value->is_null()) continue;
    const std::optional<int64_t> id = AsInteger(*value, Typing::kLenient);
    if (!id) {
      return InvalidParameter(name, fmt::format("{} must be a token id, not {}", name, DescribeJson(*value)),
                              "invalid_type");
    }
    if (name != "end_id") continue;
    bj::value& stops = (*members)["stop_token_ids"];
    if (!stops.is_array()) stops = stops.is_null() ? bj::array() : bj::array(1, stops);
    names->Call(fmt::format("stop_token_ids[{}]", stops.get_array().size()), "end_id");
    stops.get_array().emplace_back(*id);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bj::object> ToCompletionMembers(const bj::object& given, ParameterNames* names) {
  RequestReader reader(given, "", Typing::kLenient);
  for (const auto& [name, harmless] : Refused()) reader.Refuse(name, harmless);
  BATUCADA_RETURN_IF_ERROR(reader.status());
  bj::object members;
  for (const auto& [key, value] : given) {
    const std::string_view name(key.data(), key.size());
    if (value.is_null() || Refused().contains(name) || name == "end_id" || name == "pad_id") continue;
    const bool words = name == "stop_words" || name == "bad_words";
    bj::value told = words ? WithoutEmptyWords(value) : value;
    if (told.is_null()) continue;
    const auto renamed = Renamed().find(name);
    const std::string_view to = renamed == Renamed().end() ? name : renamed->second;
    const bool fresh = members.emplace(bj::string_view(to.data(), to.size()), std::move(told)).second;
    if (!fresh) return InvalidParameter(to, fmt::format("{} is given under two names: give it once", to));
    if (to != name) names->Call(to, std::string(name));
  }
  BATUCADA_RETURN_IF_ERROR(ReadIds(given, &members, names));
  return members;
}

}  // namespace batucada
