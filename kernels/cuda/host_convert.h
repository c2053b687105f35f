// Checkpoint values on the host, whatever their type and alignment, as bf16 or fp32.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/tensor.h"

namespace batucada::cuda {

// Elements [first, first + count) of `t`, row-major, rounded to nearest even.
[[nodiscard]] absl::Status ConvertToBf16(const HostTensor& t, int64_t first, int64_t count, uint16_t* to);
// All elements of `t`.
[[nodiscard]] absl::Status ConvertToFloat(const HostTensor& t, float* to);

}  // namespace batucada::cuda
