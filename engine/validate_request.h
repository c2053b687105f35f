// What a request must satisfy before it may enter the queue.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "engine/core/request.h"

namespace batucada {

struct RequestLimits {
  int32_t vocab_size = 0;
  int64_t max_total_tokens = 0;              // prompt and generated
  std::span<const int32_t> end_tokens = {};  // the model's own
};

// INVALID_ARGUMENT names the field, its value and the limit.
[[nodiscard]] absl::Status ValidateRequest(const Request& request, const RequestLimits& limits);

}  // namespace batucada
