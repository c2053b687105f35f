// x += bias, row by row: the bias of a linear layer, after its product.
//   x [rows, cols] bf16 or fp32, bias [cols] fp32
// Floor: 4 bytes (bf16) or 8 (fp32) per element over the copy bandwidth. Not measured.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

template <typename T>
struct AddBiasParams {
  T* x;
  int64_t x_stride;
  const float* bias;
  int32_t rows;
  int32_t cols;
};

cudaError_t AddBias(const AddBiasParams<__nv_bfloat16>& params, const Target& target);
cudaError_t AddBias(const AddBiasParams<float>& params, const Target& target);

}  // namespace batucada::cuda
