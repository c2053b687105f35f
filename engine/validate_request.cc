#include "engine/validate_request.h"

#include <cmath>
#include <span>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/decimal.h"
#include "base/first_outside.h"
#include "base/status.h"
#include "engine/core/sampling_fields.h"
#include "engine/drawable_tokens.h"
#include "kernels/ops.h"

namespace batucada {
namespace {

absl::Status Refuse(const std::string& field, const auto& value, const std::string& expected) {
  const auto shown = [&] {
    if constexpr (std::is_floating_point_v<std::decay_t<decltype(value)>>)
      return Decimal(value);
    else
      return value;
  }();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", shown, "; it must be ", expected));
}

absl::Status CheckIds(const std::string& field, std::span<const int32_t> ids, int32_t vocab_size) {
  const size_t outside = FirstOutside(ids, vocab_size);
  if (outside == ids.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " holds the token id ", ids[outside], "; ids must be between 0 and ", vocab_size - 1));
}

absl::Status CheckLogprobs(const std::string& field, std::optional<int32_t> count) {
  if (!count || (*count >= 0 && *count <= kMaxTop)) return absl::OkStatus();
  return Refuse(field, *count, absl::StrCat("between 0 and ", kMaxTop));
}

absl::Status CheckField(const SamplingField& field, const SamplingParams& sampling) {
  return std::visit(
      [&](const auto& members) -> absl::Status {
        const auto value = sampling.*members.value;
        const bool integer = std::holds_alternative<IntegerMembers>(field.members);
        const double least = integer ? 0 : field.least;
        if (value >= least && WithinBounds(field, value)) return absl::OkStatus();
        return Refuse(std::string(field.name), value,
                      field.lower == LowerBound::kExcluded
                          ? absl::StrCat("more than ", least, " and at most ", field.most)
                          : absl::StrCat("between ", least, " and ", field.most));
      },
      field.members);
}

}  // namespace

absl::Status ValidateRequest(const Request& r, const RequestLimits& limits) {
  if (r.prompt.empty()) return absl::InvalidArgumentError("prompt is empty; it must hold at least one token");
  BATUCADA_RETURN_IF_ERROR(CheckIds("prompt", r.prompt.vector(), limits.vocab_size));
  BATUCADA_RETURN_IF_ERROR(CheckIds("stop_token_ids", r.stop_token_ids.vector(), limits.vocab_size));
  if (r.max_tokens < 0) return Refuse("max_tokens", r.max_tokens, "at least 0");
  if (r.max_tokens == 0 && !r.prompt_logprobs) {
    return Refuse("max_tokens", 0, "at least 1, unless log-probabilities of the prompt are asked for");
  }
  const auto prompt = static_cast<int64_t>(r.prompt.size());
  if (prompt > limits.max_total_tokens || r.max_tokens > limits.max_total_tokens - prompt) {
    return absl::InvalidArgumentError(absl::StrCat("prompt has ", prompt, " tokens and max_tokens is ", r.max_tokens,
                                                   "; together they may be at most ", limits.max_total_tokens));
  }
  const SamplingParams& s = r.sampling;
  for (const SamplingField& field : kSamplingFields) BATUCADA_RETURN_IF_ERROR(CheckField(field, s));
  if (s.min_tokens < 0 || s.min_tokens > r.max_tokens) {
    return Refuse("min_tokens", s.min_tokens, absl::StrCat("between 0 and max_tokens, ", r.max_tokens));
  }
  for (const LogitBias& b : s.logit_bias) {
    BATUCADA_RETURN_IF_ERROR(CheckIds("logit_bias", {&b.id, 1}, limits.vocab_size));
    if (b.bias == -INFINITY) continue;  // never drawn
    if (!(std::abs(b.bias) <= 100)) return Refuse(absl::StrCat("logit_bias of ", b.id), b.bias, "between -100 and 100");
  }
  BATUCADA_RETURN_IF_ERROR(CheckIds("allowed_token_ids", s.allowed_token_ids.vector(), limits.vocab_size));
  if (s.bad_words.size() > kMaxPhrases) {
    return Refuse("the number of bad_words", s.bad_words.size(), absl::StrCat("at most ", kMaxPhrases));
  }
  for (const std::vector<int32_t>& word : s.bad_words) {
    BATUCADA_RETURN_IF_ERROR(CheckIds("bad_words", word, limits.vocab_size));
    if (word.empty() || word.size() > kMaxPhraseIds) {
      return Refuse("the length of one of bad_words", word.size(),
                    absl::StrCat("between 1 and ", kMaxPhraseIds, " tokens"));
    }
  }
  BATUCADA_RETURN_IF_ERROR(CheckLogprobs("logprobs", r.logprobs));
  BATUCADA_RETURN_IF_ERROR(CheckLogprobs("prompt_logprobs", r.prompt_logprobs));
  return CheckDrawable(r, limits.vocab_size, limits.end_tokens);
}

}  // namespace batucada
