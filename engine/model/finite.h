// Numbers that are none: weights with NaN or infinity make every answer nonsense, so they are found when they are
// loaded. Floor: one read of every weight; eight bytes at a time without a branch, well above what storage gives.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/tensor.h"

namespace batucada {

// Where the first element that is NaN or infinite lies, counted along the rows; nothing if all are finite. REQUIRES: a
// contiguous fp32, bf16 or fp16 tensor.
std::optional<int64_t> FindNotFinite(const HostTensor& tensor);

}  // namespace batucada
