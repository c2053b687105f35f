#include "server/generate/generation_defaults.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/generate/logit_controls.h"
#include "server/generate/translate.h"

namespace batucada {

void ApplyModelDefaults(const GenerationConfig& defaults, const CompletionParams& params, Request* request) {
  for (const SamplingField& field : kSamplingFields) ApplySampling(field, defaults.sampling, &request->sampling);
  if (params.stop.empty()) request->stop = defaults.stop_strings;
}

absl::Status AddModelBans(const GenerationConfig& defaults, Request* request) {
  SamplingParams& sampling = request->sampling;
  if (!defaults.suppress_tokens.empty()) {
    std::vector<LogitBias> biases = sampling.logit_bias.vector();
    for (const int32_t id : defaults.suppress_tokens) biases.push_back({.id = id, .bias = -INFINITY});
    sampling.logit_bias = std::move(biases);
  }
  if (defaults.bad_words_ids.empty()) return absl::OkStatus();
  const size_t runs = sampling.bad_words.size() + defaults.bad_words_ids.size();
  if (runs > kMaxBadWordRuns) {
    return InvalidParameter(
        "bad_words", fmt::format("bad_words come to {} runs of tokens, with the {} of the model's own: at most {}",
                                 runs, defaults.bad_words_ids.size(), kMaxBadWordRuns));
  }
  std::vector<std::vector<int32_t>> words = sampling.bad_words.vector();
  words.insert(words.end(), defaults.bad_words_ids.begin(), defaults.bad_words_ids.end());
  sampling.bad_words = std::move(words);
  return absl::OkStatus();
}

void ApplyLeastLength(const GenerationConfig& defaults, const CompletionParams& params, Request* request) {
  if (params.min_tokens) return;
  const int64_t least = defaults.LeastTokens(static_cast<int64_t>(request->prompt.size()));
  request->sampling.min_tokens = std::min(least, request->max_tokens);
}

}  // namespace batucada
