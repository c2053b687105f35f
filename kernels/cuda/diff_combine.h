// The end of differential attention (arXiv 2410.05258, eq. 1-3): o = first - λ · second, then RMSNorm over a head and
// its weight.
//   streams [rows, 2 · pairs · width] bf16, heads in groups of `group`: head i of groups 2p and 2p + 1 are the first
//   and the second of pair p · group + i;  out [rows, pairs · width] bf16;  weight [width] fp32, width up to 512
// One warp per pair. Floor: 6 bytes per element of out over the copy bandwidth. Not measured.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct DiffCombineParams {
  const __nv_bfloat16* streams;
  int64_t streams_stride;
  int32_t group;
  int32_t width;
  int32_t pairs;
  float lambda;
  const float* weight;
  float eps;
  int32_t rows;
  __nv_bfloat16* out;
  int64_t out_stride;
};

cudaError_t DiffCombine(const DiffCombineParams& params, const Target& target);

}  // namespace batucada::cuda
