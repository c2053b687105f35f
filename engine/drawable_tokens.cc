#include "engine/drawable_tokens.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace batucada {
namespace {

constexpr float kNever = -100;  // what OpenAI's clients give to ban an id

}  // namespace

absl::Status CheckDrawable(const Request& request, int32_t vocab_size, std::span<const int32_t> end_tokens) {
  const SamplingParams& sampling = request.sampling;
  if (!sampling.controls_logits() || request.max_tokens == 0) return absl::OkStatus();
  absl::flat_hash_set<int32_t> banned;
  for (const auto& word : sampling.bad_words) {
    if (word.size() == 1) banned.insert(*word.begin());
  }
  for (const LogitBias& bias : sampling.logit_bias) {
    if (bias.bias <= kNever) banned.insert(bias.id);
  }
  if (sampling.min_tokens > 0) {
    banned.insert(request.stop_token_ids.begin(), request.stop_token_ids.end());
    if (!request.ignore_eos) banned.insert(end_tokens.begin(), end_tokens.end());
  }
  const auto& allowed = sampling.allowed_token_ids;
  const bool none = allowed.empty()
                        ? static_cast<int64_t>(banned.size()) >= vocab_size
                        : std::all_of(allowed.begin(), allowed.end(), [&](int32_t id) { return banned.contains(id); });
  if (!none) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(allowed.empty() ? "the request leaves no token of the vocabulary" : "allowed_token_ids leaves none",
                   " to be drawn: each is banned by bad_words, by a logit_bias of -100 or less, or because min_tokens "
                   "is ",
                   sampling.min_tokens, " and it would end the text"));
}

}  // namespace batucada
