#include "kernels/cuda/rms_norm.h"

#include "kernels/cuda/block_sum.cuh"

namespace batucada::cuda {
namespace {

constexpr int kPacks = 4;  // groups of four floats a thread holds

// cols a multiple of 4 and at most 4 · kPacks · blockDim.x; rows and weight aligned to 16 bytes, out to 8.
__global__ void RmsNormKernel(const RmsNormParams p) {
  __shared__ float sums[32];
  LetNextKernelStart();
  const int packs = p.cols / 4;
  float4 weight[kPacks];
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int pack = threadIdx.x + i * blockDim.x;
    if (pack < packs) weight[i] = reinterpret_cast<const float4*>(p.weight)[pack];
  }
  WaitForEarlierKernels();
  const float4* x = reinterpret_cast<const float4*>(p.x + blockIdx.x * p.x_stride);
  float4 v[kPacks];
  float sum = 0.f;
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int pack = threadIdx.x + i * blockDim.x;
    v[i] = pack < packs ? x[pack] : float4{0.f, 0.f, 0.f, 0.f};
  }
#pragma unroll
  for (int i = 0; i < kPacks; ++i) sum += v[i].x * v[i].x + v[i].y * v[i].y + v[i].z * v[i].z + v[i].w * v[i].w;
  const float scale = rsqrtf(BlockSum(sum, sums) / static_cast<float>(p.cols) + p.eps);
  uint2* out = reinterpret_cast<uint2*>(p.out + blockIdx.x * p.out_stride);
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int pack = threadIdx.x + i * blockDim.x;
    if (pack < packs) {
      out[pack] = {Pack2(v[i].x * scale * weight[i].x, v[i].y * scale * weight[i].y),
                   Pack2(v[i].z * scale * weight[i].z, v[i].w * scale * weight[i].w)};
    }
  }
}

// Any width and alignment.
__global__ void RmsNormAnyKernel(const RmsNormParams p) {
  __shared__ float sums[32];
  LetNextKernelStart();
  WaitForEarlierKernels();
  const float* x = p.x + blockIdx.x * p.x_stride;
  float sum = 0.f;
  for (int c = threadIdx.x; c < p.cols; c += blockDim.x) sum += x[c] * x[c];
  const float scale = rsqrtf(BlockSum(sum, sums) / static_cast<float>(p.cols) + p.eps);
  bf16* out = p.out + blockIdx.x * p.out_stride;
  for (int c = threadIdx.x; c < p.cols; c += blockDim.x) out[c] = __float2bfloat16_rn(x[c] * scale * p.weight[c]);
}

bool Aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

}  // namespace

cudaError_t RmsNorm(const RmsNormParams& params, const Target& target) {
  const bool packs = params.cols % 4 == 0 && params.x_stride % 4 == 0 && params.out_stride % 4 == 0 &&
                     Aligned(params.x, 16) && Aligned(params.weight, 16) && Aligned(params.out, 8);
  const int threads = params.cols <= 1024 ? 128 : params.cols <= 4096 ? 256 : 1024;
  const bool fits = params.cols <= 4 * kPacks * threads;
  return Launch(target, packs && fits ? RmsNormKernel : RmsNormAnyKernel, dim3(params.rows), dim3(threads), 0, params);
}

}  // namespace batucada::cuda
