// Row gather: out[i] = x[rows[i]].   x [*, cols] fp32, rows [count] int32 on the device, out [count, cols] fp32
// Floor: 8 bytes per element over the copy bandwidth. Not measured by itself: one launch a step.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct GatherParams {
  const float* x;
  int64_t x_stride;
  const int32_t* rows;
  int32_t count;
  int32_t cols;
  float* out;
  int64_t out_stride;
};

cudaError_t GatherRows(const GatherParams& params, const Target& target);

}  // namespace batucada::cuda
