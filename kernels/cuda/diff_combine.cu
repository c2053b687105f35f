#include "kernels/cuda/diff_combine.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kMostWidth = 512;

__global__ void __launch_bounds__(kThreads) DiffCombineKernel(const DiffCombineParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int lane = threadIdx.x % 32;
  const int pair = blockIdx.y * kWarps + threadIdx.x / 32;
  if (pair >= p.pairs) return;
  const int head = pair / p.group * 2 * p.group + pair % p.group;
  const bf16* const first = p.streams + blockIdx.x * p.streams_stride + head * p.width;
  const bf16* const second = first + p.group * p.width;
  float o[kMostWidth / 32];
  float squares = 0.f;
#pragma unroll
  for (int i = 0; i < kMostWidth / 32; ++i) {
    const int at = i * 32 + lane;
    if (at >= p.width) break;
    o[i] = __bfloat162float(first[at]) - p.lambda * __bfloat162float(second[at]);
    squares += o[i] * o[i];
  }
  const float scale = rsqrtf(WarpSum(squares) / static_cast<float>(p.width) + p.eps);
  bf16* const out = p.out + blockIdx.x * p.out_stride + pair * p.width;
#pragma unroll
  for (int i = 0; i < kMostWidth / 32; ++i) {
    const int at = i * 32 + lane;
    if (at < p.width) out[at] = __float2bfloat16_rn(o[i] * scale * p.weight[at]);
  }
}

}  // namespace

cudaError_t DiffCombine(const DiffCombineParams& params, const Target& target) {
  if (params.rows == 0) return cudaSuccess;
  if (params.width > kMostWidth || params.width % 32 != 0) return cudaErrorInvalidValue;
  return Launch(target, DiffCombineKernel, dim3(params.rows, CeilDiv(params.pairs, kWarps)), dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
