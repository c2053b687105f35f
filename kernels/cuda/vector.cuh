// bf16 in packs of 8 (16 bytes) and the scalar functions of the model, shared by the kernels.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "base/rounding.h"

namespace batucada::cuda {

using bf16 = __nv_bfloat16;

constexpr float kLog2E = 1.4426950408889634f;

__host__ __device__ constexpr int CeilDiv(int a, int b) { return batucada::CeilDiv(a, b); }

__device__ __forceinline__ void Unpack2(uint32_t pair, float& lo, float& hi) {
  lo = __uint_as_float(pair << 16);
  hi = __uint_as_float(pair & 0xffff0000u);
}

__device__ __forceinline__ uint32_t Pack2(float lo, float hi) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(lo, hi);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

__device__ __forceinline__ void Unpack8(const uint4& pack, float (&v)[8]) {
  Unpack2(pack.x, v[0], v[1]);
  Unpack2(pack.y, v[2], v[3]);
  Unpack2(pack.z, v[4], v[5]);
  Unpack2(pack.w, v[6], v[7]);
}

__device__ __forceinline__ uint4 Pack8(const float (&v)[8]) {
  return {Pack2(v[0], v[1]), Pack2(v[2], v[3]), Pack2(v[4], v[5]), Pack2(v[6], v[7])};
}

// Eight neighbours, whether or not they are aligned to 16 bytes; `aligned` is the same for the whole launch.
__device__ __forceinline__ uint4 Load8(const bf16* p, bool aligned) {
  if (aligned) return *reinterpret_cast<const uint4*>(p);
  const uint16_t* s = reinterpret_cast<const uint16_t*>(p);
  return {s[0] | uint32_t{s[1]} << 16, s[2] | uint32_t{s[3]} << 16, s[4] | uint32_t{s[5]} << 16,
          s[6] | uint32_t{s[7]} << 16};
}

__device__ __forceinline__ void Unpack4(const uint2& pack, float (&v)[4]) {
  Unpack2(pack.x, v[0], v[1]);
  Unpack2(pack.y, v[2], v[3]);
}

// Four neighbours, whether or not they are aligned to 8 bytes.
__device__ __forceinline__ uint2 Load4(const bf16* p, bool aligned) {
  if (aligned) return *reinterpret_cast<const uint2*>(p);
  const uint16_t* s = reinterpret_cast<const uint16_t*>(p);
  return {s[0] | uint32_t{s[1]} << 16, s[2] | uint32_t{s[3]} << 16};
}

__device__ __forceinline__ float4 Add(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float Log2(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float Silu(float x) { return __fdividef(x, 1.f + Exp2(-kLog2E * x)); }

// log(1 + exp(x)), linear above 20. For small e = exp(x) the logarithm of 1 + e loses digits, so its series is used.
__device__ __forceinline__ float Softplus(float x) {
  const float e = Exp2(x * kLog2E);
  const float y = e < 0.02f ? e * (1.f - e * (0.5f - e * 0.33333333f)) : Log2(1.f + e) * 0.6931471805599453f;
  return x > 20.f ? x : y;
}

template <typename T>
__device__ __forceinline__ T WarpSum(T v) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) v += __shfl_xor_sync(0xffffffffu, v, lane);
  return v;
}

}  // namespace batucada::cuda
