// RMSNorm (arXiv 1910.07467): out = x / sqrt(mean(x²) + eps) · weight.
//   x [rows, cols] fp32, weight [cols] fp32, out [rows, cols] bf16
// One block per row; the row stays in registers between the sum and the scaling.
// Floor: 6 bytes per element (4 read, 2 written) over the copy bandwidth. Measured on an H200: 94% at 16,384 rows of
// 2,048; 1.0 µs for a single row, which is what a launch takes.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

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

// The end of a product that was cut along k, and the norm behind it: x += the sum of parts, in their order, then
// out = RMSNorm(x). Floor: 4 · num_parts + 10 bytes per element over the bandwidth of the cache; a launch takes longer.
struct AddNormParams {
  float* x;  // [rows, cols]
  int64_t x_stride;
  const float* parts;  // [num_parts, rows, cols]
  int32_t num_parts;   // at most kMostParts
  const float* weight;
  float eps;
  int32_t rows;
  int32_t cols;
  __nv_bfloat16* out;
  int64_t out_stride;
};

// Whether AddNorm serves: up to 4096 columns in fours, x, parts and weight aligned to 16 bytes, out to 8.
bool AddNormServes(const AddNormParams& params);
cudaError_t AddNorm(const AddNormParams& params, const Target& target);

}  // namespace batucada::cuda
