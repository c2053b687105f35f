// What a product does with its sums: four or two columns of one row at a time.
#pragma once

#include "kernels/cuda/conv_step.cuh"
#include "kernels/cuda/matmul_params.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

// Whether columns in fours start aligned; the same for the whole launch.
__device__ __forceinline__ bool OutputsInFours(const MatMulParams& p) {
  return (p.n | p.out_stride) % 4 == 0 && reinterpret_cast<uintptr_t>(p.out) % 16 == 0;
}

// What the sums of columns [col, col + 4) are added to. Loaded early, so that its latency hides behind the exchange of
// sums; not before earlier kernels have finished.
__device__ __forceinline__ float4 LoadPrior(const MatMulParams& p, bool in_fours, int64_t row, int64_t col) {
  float v[4] = {0.f, 0.f, 0.f, 0.f};
  if (p.output == MatMulOutput::kAddF32) {
    const float* const at = static_cast<const float*>(p.out) + row * p.out_stride + col;
    if (in_fours && col < p.n) return *reinterpret_cast<const float4*>(at);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (col + i < p.n) v[i] = at[i];
    }
  }
  return {v[0], v[1], v[2], v[3]};
}

// Stores columns [col, col + 4) of a row as far as they exist. `col` is a multiple of 4.
__device__ __forceinline__ void StoreOutput(const MatMulParams& p, bool in_fours, int64_t row, int64_t col,
                                            const float4& prior, const float4& sum) {
  if (col >= p.n) return;
  const float4 total = Add(prior, sum);
  const float v[4] = {total.x, total.y, total.z, total.w};
  if (p.output == MatMulOutput::kSwiGlu) {  // n is even
    bf16* const at = static_cast<bf16*>(p.out) + row * p.out_stride + col / 2;
    const float low = Silu(v[0]) * v[1], high = Silu(v[2]) * v[3];
    if (in_fours) {
      *reinterpret_cast<uint32_t*>(at) = Pack2(low, high);
      return;
    }
    at[0] = __float2bfloat16_rn(low);
    if (col + 2 < p.n) at[1] = __float2bfloat16_rn(high);
  } else if (p.output == MatMulOutput::kBf16) {
    bf16* const at = static_cast<bf16*>(p.out) + row * p.out_stride + col;
    if (in_fours) {
      const uint2 pack{Pack2(v[0], v[1]), Pack2(v[2], v[3])};
      if (col < p.conv.channels) return StepConv(p.conv, row, col, pack);
      *reinterpret_cast<uint2*>(at) = pack;
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (col + i < p.n) at[i] = __float2bfloat16_rn(v[i]);
    }
  } else {
    float* const at = static_cast<float*>(p.out) + row * p.out_stride + col;
    if (in_fours) {
      *reinterpret_cast<float4*>(at) = total;
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (col + i < p.n) at[i] = v[i];
    }
  }
}

// Stores columns col and col + 1 of a row as far as they exist. `col` is even.
__device__ __forceinline__ void StorePair(const MatMulParams& p, int64_t row, int64_t col, float low, float high) {
  if (col >= p.n) return;
  const bool both = col + 1 < p.n;
  if (p.output == MatMulOutput::kSwiGlu) {  // n is even
    static_cast<bf16*>(p.out)[row * p.out_stride + col / 2] = __float2bfloat16_rn(Silu(low) * high);
  } else if (p.output == MatMulOutput::kBf16) {
    bf16* const at = static_cast<bf16*>(p.out) + row * p.out_stride + col;
    at[0] = __float2bfloat16_rn(low);
    if (both) at[1] = __float2bfloat16_rn(high);
  } else {
    float* const at = static_cast<float*>(p.out) + row * p.out_stride + col;
    const bool add = p.output == MatMulOutput::kAddF32;
    at[0] = add ? at[0] + low : low;
    if (both) at[1] = add ? at[1] + high : high;
  }
}

}  // namespace batucada::cuda
