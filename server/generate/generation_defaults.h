// What a model's generation_config.json puts where a request leaves something open.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/core/request.h"
#include "engine/model/generation_config.h"
#include "server/generate/completion_params.h"

namespace batucada {

// What requests override: the sampling parameters, and the stop strings for a request that names none.
void ApplyModelDefaults(const GenerationConfig& defaults, const CompletionParams& params, Request* request);

// What comes on top of any request: tokens and runs of tokens that the model's authors never want to see. After the
// request's own controls. INVALID_ARGUMENT if there are more runs together than the engine takes.
[[nodiscard]] absl::Status AddModelBans(const GenerationConfig& defaults, Request* request);

// The least length where the request has none, which never contradicts its most. After request->max_tokens.
void ApplyLeastLength(const GenerationConfig& defaults, const CompletionParams& params, Request* request);

}  // namespace batucada
