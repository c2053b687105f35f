#include "server/compat/llama_sampling.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "absl/strings/numbers.h"
#include "base/json.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr int64_t kWindow = 64;  // llama.cpp's

// In the order of kernels/sampling.h.
enum Stage : uint8_t { kPenalties, kTemperature, kTopK, kTopP, kMinP, kStages };
constexpr std::array<std::string_view, kStages> kStageNames = {"penalties", "temperature", "top_k", "top_p", "min_p"};

// Those that this server does not have: their settings are refused where they would act.
constexpr std::string_view kOff[] = {"dry",   "top_n_sigma", "typ_p",      "typical_p", "typical",
                                     "tfs_z", "xtc",         "adaptive_p", "top_a"};

std::optional<Stage> StageOf(std::string_view name) {
  if (name == "temp") return kTemperature;
  const auto found = std::find(kStageNames.begin(), kStageNames.end(), name);
  if (found == kStageNames.end()) return std::nullopt;
  return static_cast<Stage>(found - kStageNames.begin());
}

// Does not act, whatever the model's own defaults are.
void TurnOff(Stage stage, CompletionParams& params) {
  switch (stage) {
    case kPenalties:
      params.repetition_penalty = 1;
      params.presence_penalty = params.frequency_penalty = 0;
      break;
    case kTemperature: params.temperature = 1; break;
    case kTopK: params.top_k = 0; break;
    case kTopP: params.top_p = 1; break;
    case kMinP: params.min_p = 0; break;
    case kStages: break;
  }
}

// Whether it may act: absent, it does as the model's own defaults say.
bool MayAct(Stage stage, const CompletionParams& params) {
  switch (stage) {
    case kPenalties:
      return params.repetition_penalty != 1 || params.presence_penalty.value_or(0) != 0 ||
             params.frequency_penalty.value_or(0) != 0;
    case kTemperature: return params.temperature != 1;
    case kTopK: return !params.top_k || *params.top_k > 0;
    case kTopP: return params.top_p != 1;
    case kMinP: return params.min_p != 0;
    case kStages: break;
  }
  return false;
}

}  // namespace

void ReadRepeatPenalty(RequestReader& reader, CompletionParams& params) {
  std::optional<double> penalty;
  std::optional<int64_t> window;
  reader.Read("repeat_penalty", &penalty);
  reader.Read("repeat_last_n", &window);
  if (!penalty || !reader.ok()) return;
  const double wanted = window == 0 ? 1 : *penalty;
  if (!(wanted > 0 && wanted <= 10)) {
    return reader.Fail("repeat_penalty", fmt::format("is {}: it must be more than 0 and at most 10", wanted),
                       "invalid_value");
  }
  if (wanted != 1 && window != -1) {
    return reader.Fail(
        "repeat_penalty",
        fmt::format("is {} over the last {} tokens, which is not supported by this server, whose penalty "
                    "is over the whole text: set repeat_last_n to -1, or repeat_penalty to 1",
                    wanted, window.value_or(kWindow)),
        "unsupported_parameter");
  }
  if (params.repetition_penalty && *params.repetition_penalty != wanted) {
    return reader.Fail(
        "repeat_penalty",
        fmt::format("is {} and repetition_penalty is {}: give one of them", wanted, *params.repetition_penalty),
        "invalid_value");
  }
  params.repetition_penalty = wanted;
}

void ReadSamplers(RequestReader& reader, CompletionParams& params) {
  constexpr std::string_view kName = "samplers";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  if (!value->is_array()) {
    return reader.Fail(kName, fmt::format("must be a list of names, not {}", DescribeJson(*value)));
  }
  std::vector<Stage> listed;
  for (const bj::value& element : value->get_array()) {
    const bj::string* const text = element.if_string();
    const std::string_view name = text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
    const std::optional<Stage> stage = StageOf(name);
    if (!stage && std::find(std::begin(kOff), std::end(kOff), name) == std::end(kOff)) {
      return reader.Fail(
          kName,
          fmt::format("has {}, which is not supported by this server: it has {}",
                      text == nullptr ? DescribeJson(element) : Printable(name), fmt::join(kStageNames, ", ")),
          "unsupported_parameter");
    }
    if (stage && std::find(listed.begin(), listed.end(), *stage) == listed.end()) listed.push_back(*stage);
  }
  for (int stage = 0; stage < kStages; ++stage) {
    if (std::find(listed.begin(), listed.end(), stage) == listed.end()) TurnOff(static_cast<Stage>(stage), params);
  }
  listed.erase(std::remove_if(listed.begin(), listed.end(), [&](Stage one) { return !MayAct(one, params); }),
               listed.end());
  // The likeliest tokens are the same ones at every temperature.
  for (size_t i = 1; i < listed.size(); ++i) {
    if (listed[i - 1] == kTopK && listed[i] == kTemperature) std::swap(listed[i - 1], listed[i]);
  }
  // The likeliest token passes every filter.
  const bool greedy = params.temperature && *params.temperature <= 0;
  const auto penalties = std::find(listed.begin(), listed.end(), kPenalties);
  const bool first = penalties == listed.begin() || penalties == listed.end();
  if (greedy ? first : std::is_sorted(listed.begin(), listed.end())) return;
  reader.Fail(kName,
              fmt::format("have another order than this server's, which is {}: send them so, or settings at which the "
                          "order makes no difference, such as temperature 1",
                          fmt::join(kStageNames, ", ")),
              "unsupported_parameter");
}

void ReadLogitPairs(RequestReader& reader, CompletionParams& params) {
  constexpr std::string_view kName = "logit_bias";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  const auto add = [&](const std::string& member, std::optional<int64_t> id, const bj::value& bias) {
    if (!id) return reader.Fail(member, "must name a token by its id: texts are not supported");
    const std::optional<double> number = AsNumber(bias);
    const bool never = bias.is_bool() && !bias.get_bool();
    if (!number && !never) {
      return reader.Fail(member, fmt::format("must have a number or false as its bias, not {}", DescribeJson(bias)));
    }
    params.logit_bias.emplace_back(*id, never ? -std::numeric_limits<double>::infinity() : *number);
  };
  if (value->is_object()) {
    for (const auto& [key, bias] : value->get_object()) {
      const std::string_view name(key.data(), key.size());
      int64_t id = 0;
      const bool number = absl::SimpleAtoi(absl::string_view(name.data(), name.size()), &id);
      add(fmt::format("{}.{}", kName, Printable(name)), number ? std::optional(id) : std::nullopt, bias);
    }
    return;
  }
  if (!value->is_array()) {
    return reader.Fail(kName, fmt::format("must be a list of pairs [id, bias], not {}", DescribeJson(*value)));
  }
  size_t i = 0;
  for (const bj::value& element : value->get_array()) {
    const std::string member = fmt::format("{}[{}]", kName, i++);
    const bj::array* pair = element.if_array();
    if (pair == nullptr || pair->size() != 2) return reader.Fail(member, "must be a pair [id, bias]");
    add(member, AsInteger(pair->front()), pair->back());
  }
}

}  // namespace batucada
