// The end of a product that was cut along k, and the norm behind it:
//   x += the sum of parts, in their order, + added;  out = RMSNorm(x) (rms_norm.h) or LayerNorm(x) (layer_norm.h)
//   x [rows, cols] fp32, parts [num_parts, rows, cols] fp32, added, weight and bias [cols] fp32, out [rows, cols] bf16
// Without parts and anything added it is the norm alone, of the same bits. One block per row, four columns a thread.
// Floor: 4 · num_parts + 10 bytes per element over the bandwidth of the cache; a launch takes longer.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

namespace batucada::cuda {

struct AddNormParams {
  float* x;
  int64_t x_stride;
  const float* parts;
  int32_t num_parts;   // at most kMostParts
  const float* added;  // null: nothing
  const float* weight;
  const float* bias;  // null: RMSNorm
  float eps;
  int32_t rows;
  int32_t cols;
  __nv_bfloat16* out;
  int64_t out_stride;
};

// Whether AddNorm serves: up to 4096 columns in fours, x, parts and vectors aligned to 16 bytes, out to 8.
bool AddNormServes(const AddNormParams& params);
cudaError_t AddNorm(const AddNormParams& params, const Target& target);

}  // namespace batucada::cuda
