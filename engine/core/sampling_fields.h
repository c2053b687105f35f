// The numbers of sampling, each told once: what it is called on every wire, what it may be, what it says. Requests are
// read and checked by this table, whichever wire they came over, and generation_config.json, command line and the API's
// description are made of it too. docs: CONTRIBUTING.md has the recipe for a new one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <variant>

#include "engine/core/request.h"

namespace batucada {

// What somebody asked for. Absent means: the default's.
struct SamplingOverrides {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> repetition_penalty;
};

template <typename Asked, typename Value>
struct SamplingMembers {
  std::optional<Asked> SamplingOverrides::*asked;
  Value SamplingParams::*value;
};
using NumberMembers = SamplingMembers<double, float>;
using IntegerMembers = SamplingMembers<int64_t, int32_t>;

// kFilter: acts on the distribution; kLogits: changes the logits before that (kernels/token_controls.h).
enum class SamplingKind : uint8_t { kFilter, kLogits };
enum class LowerBound : uint8_t { kIncluded, kExcluded };
// Whether a model's authors may say it in generation_config.json.
enum class ModelDefault : uint8_t { kNone, kFromFile };

struct SamplingField {
  std::string_view name;
  std::variant<NumberMembers, IntegerMembers> members;
  SamplingKind kind = SamplingKind::kFilter;
  double least = 0;
  LowerBound lower = LowerBound::kIncluded;
  double most = 1;  // also of a file's value, which is cut to it
  ModelDefault model_default = ModelDefault::kNone;
  std::string_view description;  // a sentence or two, with the default
};

// Of integers, what is below 0 means what 0 means: all.
inline constexpr SamplingField kSamplingFields[] = {
    {.name = "temperature",
     .members = NumberMembers{&SamplingOverrides::temperature, &SamplingParams::temperature},
     .most = 2,
     .model_default = ModelDefault::kFromFile,
     .description = "0: always the most likely token. Default: the model's own, else 1."},
    {.name = "top_p",
     .members = NumberMembers{&SamplingOverrides::top_p, &SamplingParams::top_p},
     .model_default = ModelDefault::kFromFile,
     .description = "The smallest set of tokens, at least one, with this much probability. Default: the model's own, "
                    "else 1."},
    {.name = "top_k",
     .members = IntegerMembers{&SamplingOverrides::top_k, &SamplingParams::top_k},
     .least = -1,
     .most = std::numeric_limits<int32_t>::max(),
     .model_default = ModelDefault::kFromFile,
     .description = "The k most likely tokens; 0 or -1: all. Default: the model's own, else all."},
    {.name = "min_p",
     .members = NumberMembers{&SamplingOverrides::min_p, &SamplingParams::min_p},
     .model_default = ModelDefault::kFromFile,
     .description = "Drop tokens less likely than this times the most likely. Default: the model's own, else 0."},
    {.name = "presence_penalty",
     .members = NumberMembers{&SamplingOverrides::presence_penalty, &SamplingParams::presence_penalty},
     .kind = SamplingKind::kLogits,
     .least = -2,
     .most = 2,
     .description = "Taken off the logit of tokens that were generated before."},
    {.name = "frequency_penalty",
     .members = NumberMembers{&SamplingOverrides::frequency_penalty, &SamplingParams::frequency_penalty},
     .kind = SamplingKind::kLogits,
     .least = -2,
     .most = 2,
     .description = "Taken off once for every time that the token was generated before."},
    {.name = "repetition_penalty",
     .members = NumberMembers{&SamplingOverrides::repetition_penalty, &SamplingParams::repetition_penalty},
     .kind = SamplingKind::kLogits,
     .lower = LowerBound::kExcluded,
     .most = 10,
     .model_default = ModelDefault::kFromFile,
     .description = "Above 1, tokens of the prompt or generated before are less likely."},
};
// Each is an optional of 16 bytes: one that has no row fails here.
static_assert(sizeof(SamplingOverrides) == std::size(kSamplingFields) * sizeof(std::optional<double>) &&
              sizeof(std::optional<double>) == sizeof(std::optional<int64_t>));

// NaN is within no bounds.
constexpr bool WithinBounds(const SamplingField& field, double value) {
  return (field.lower == LowerBound::kIncluded ? value >= field.least : value > field.least) && value <= field.most;
}

// Puts what was asked for, which must be within bounds, into `params`. The smallest positive number stays positive.
inline void ApplySampling(const SamplingField& field, const SamplingOverrides& asked, SamplingParams* params) {
  if (const auto* number = std::get_if<NumberMembers>(&field.members)) {
    const std::optional<double>& value = asked.*number->asked;
    if (!value) return;
    const float least =
        field.lower == LowerBound::kExcluded ? std::numeric_limits<float>::min() : -std::numeric_limits<float>::max();
    params->*number->value = std::max(static_cast<float>(*value), least);
  } else {
    const auto& integer = std::get<IntegerMembers>(field.members);
    const std::optional<int64_t>& value = asked.*integer.asked;
    if (value) params->*integer.value = static_cast<int32_t>(std::max<int64_t>(*value, 0));
  }
}

}  // namespace batucada
