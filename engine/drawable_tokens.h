// Whether a request leaves the model anything to say.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "engine/core/request.h"

namespace batucada {

// INVALID_ARGUMENT, with the field, if no token could ever be drawn first: every id is out of allowed_token_ids, is one
// of bad_words by itself, has a logit_bias of -100, or ends the text before min_tokens. What comes to that only later
// is found when it does (kNothingDrawn). `end_tokens` are the model's own.
[[nodiscard]] absl::Status CheckDrawable(const Request& request, int32_t vocab_size,
                                         std::span<const int32_t> end_tokens);

}  // namespace batucada
