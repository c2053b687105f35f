#include "kernels/cuda/layer_norm.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostThreads = 1024;

// The sum over all threads of the block, to all of them. `sums` is scratch for a number per warp.
__device__ __forceinline__ float BlockSum(float v, float* sums) {
  v = WarpSum(v);
  __syncthreads();  // whoever reads an earlier sum has done so
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
  __syncthreads();
  return WarpSum(threadIdx.x % 32 < blockDim.x / 32 ? sums[threadIdx.x % 32] : 0.f);
}

// Four columns a thread, read once. cols a multiple of 4, at most 4 · blockDim.x; all but out aligned to 16 bytes, out
// to 8.
__global__ void __launch_bounds__(kMostThreads) LayerNormKernel(const LayerNormParams p) {
  __shared__ float sums[kMostThreads / 32];
  LetNextKernelStart();
  const int pack = threadIdx.x;
  const bool there = pack * 4 < p.cols;
  const float4 zero{0.f, 0.f, 0.f, 0.f};
  const float4 weight = there ? reinterpret_cast<const float4*>(p.weight)[pack] : zero;
  const float4 bias = there ? reinterpret_cast<const float4*>(p.bias)[pack] : zero;
  WaitForEarlierKernels();
  const float4 x = there ? reinterpret_cast<const float4*>(p.x + blockIdx.x * p.x_stride)[pack] : zero;
  const float count = static_cast<float>(p.cols);
  const float mean = BlockSum((x.x + x.y) + (x.z + x.w), sums) / count;
  const float4 d = there ? float4{x.x - mean, x.y - mean, x.z - mean, x.w - mean} : zero;
  const float scale = rsqrtf(BlockSum(d.x * d.x + d.y * d.y + d.z * d.z + d.w * d.w, sums) / count + p.eps);
  if (!there) return;
  reinterpret_cast<uint2*>(p.out + blockIdx.x * p.out_stride)[pack] = {
      Pack2(d.x * scale * weight.x + bias.x, d.y * scale * weight.y + bias.y),
      Pack2(d.z * scale * weight.z + bias.z, d.w * scale * weight.w + bias.w)};
}

// Any width and alignment; reads its row three times, twice from the cache.
__global__ void __launch_bounds__(kThreads) LayerNormAnyKernel(const LayerNormParams p) {
  __shared__ float sums[kThreads / 32];
  LetNextKernelStart();
  WaitForEarlierKernels();
  const float* const x = p.x + blockIdx.x * p.x_stride;
  const float count = static_cast<float>(p.cols);
  float sum = 0.f;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) sum += x[c];
  const float mean = BlockSum(sum, sums) / count;
  float squares = 0.f;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) squares += (x[c] - mean) * (x[c] - mean);
  const float scale = rsqrtf(BlockSum(squares, sums) / count + p.eps);
  bf16* const out = p.out + blockIdx.x * p.out_stride;
  for (int c = threadIdx.x; c < p.cols; c += kThreads) {
    out[c] = __float2bfloat16_rn((x[c] - mean) * scale * p.weight[c] + p.bias[c]);
  }
}

bool Aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace

cudaError_t LayerNorm(const LayerNormParams& params, const Target& target) {
  if (params.rows == 0) return cudaSuccess;
  const bool in_fours = params.cols % 4 == 0 && params.cols <= 4 * kMostThreads && params.x_stride % 4 == 0 &&
                        params.out_stride % 4 == 0 && Aligned(params.x, 16) && Aligned(params.weight, 16) &&
                        Aligned(params.bias, 16) && Aligned(params.out, 8);
  if (in_fours) {
    return Launch(target, LayerNormKernel, dim3(params.rows), dim3(CeilDiv(params.cols, 4 * 32) * 32), 0, params);
  }
  return Launch(target, LayerNormAnyKernel, dim3(params.rows), dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
