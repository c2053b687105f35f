#include "kernels/cuda/block_sum.cuh"
#include "kernels/cuda/layer_norm.h"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 256;

// Any width and alignment; reads its row three times, twice from the cache.
__global__ void __launch_bounds__(kThreads) LayerNormKernel(const LayerNormParams p) {
  __shared__ float sums[2][kThreads / 32];
  LetNextKernelStart();
  WaitForEarlierKernels();
  const float* const x = p.x + blockIdx.x * p.x_stride;
  const float count = static_cast<float>(p.cols);
  float sum = 0.f;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) sum += x[c];
  const float mean = BlockSum(sum, sums[0]) / count;
  float squares = 0.f;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) squares += (x[c] - mean) * (x[c] - mean);
  const float scale = rsqrtf(BlockSum(squares, sums[1]) / count + p.eps);
  bf16* const out = p.out + blockIdx.x * p.out_stride;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) {
    out[c] = __float2bfloat16_rn((x[c] - mean) * scale * p.weight[c] + p.bias[c]);
  }
}

}  // namespace

cudaError_t LayerNorm(const LayerNormParams& params, const Target& target) {
  if (params.rows == 0) return cudaSuccess;
  return Launch(target, LayerNormKernel, dim3(params.rows), dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
