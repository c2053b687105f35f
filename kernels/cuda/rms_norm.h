// RMSNorm (arXiv 1910.07467): out = x / sqrt(mean(x²) + eps) · weight.
//   x [rows, cols] fp32, weight [cols] fp32, out [rows, cols] bf16
// One block per row; the row stays in registers between the sum and the scaling.
// Floor: 6 bytes per element (4 read, 2 written) over the copy bandwidth. Measured on an H200: 94% at 16,384 rows of
// 2,048; 1.0 µs for a single row, which is what a launch takes.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct RmsNormParams {
  const float* x;
  int64_t x_stride;
  const float* weight;
  float eps;
  int32_t rows;
  int32_t cols;
  __nv_bfloat16* out;
  int64_t out_stride;
};

cudaError_t RmsNorm(const RmsNormParams& params, const Target& target);

}  // namespace batucada::cuda
