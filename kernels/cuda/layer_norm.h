// LayerNorm (arXiv 1607.06450): out = (x - mean) / sqrt(var + eps) · weight + bias, var with 1/cols.
//   x [rows, cols] fp32, weight and bias [cols] fp32, out [rows, cols] bf16
// Any width and alignment: AddNorm (add_norm.h) is faster where it serves. One block per row.
// Floor: 6 bytes per element (4 read, 2 written) over the copy bandwidth.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct LayerNormParams {
  const float* x;
  int64_t x_stride;
  const float* weight;
  const float* bias;
  float eps;
  int32_t rows;
  int32_t cols;
  __nv_bfloat16* out;
  int64_t out_stride;
};

cudaError_t LayerNorm(const LayerNormParams& params, const Target& target);

}  // namespace batucada::cuda
