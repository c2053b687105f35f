// What a request does to the model's logits, penalties aside: biases, tokens and words that must or must not come.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/core/request.h"
#include "server/generate/completion_params.h"
#include "server/generate/translation_context.h"

namespace batucada {

// Bounds that are part of the interface rather than settings.
inline constexpr double kMaxLogitBias = 100;  // in size
inline constexpr int64_t kMaxBadWords = 32;   // each is up to two runs of tokens, of which the engine takes 64
inline constexpr size_t kMaxBadWordRuns = 64;
inline constexpr int64_t kMaxBadWordTokens = 8;

// Fills in request->sampling. INVALID_ARGUMENT names the parameter, its value and the limit; that of min_tokens is the
// caller's to check, who knows how many tokens there may be at most. Thread-safe.
absl::Status TranslateLogitControls(const CompletionParams& params, const TranslationContext& context,
                                    Request* request);

}  // namespace batucada
