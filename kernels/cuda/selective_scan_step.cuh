// What the kernels of single rows share: how a channel's states lie among its lanes.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

inline constexpr int kBlockChannels = 32;
inline constexpr int kStepLanes = 4;  // lanes that share a channel, four states each
inline constexpr int kStepThreads = kBlockChannels * kStepLanes;
inline constexpr int kRows = kStepLanes;  // of a block: each lane of a channel looks after one

// The sums over the four lanes of a channel of what each lane has for four rows: lane `quad` gets row `quad`'s.
__device__ __forceinline__ float SumOfLanes(const float (&y)[kRows], int quad) {
  const bool odd = quad % 2 != 0;
  const float low = (odd ? y[1] : y[0]) + __shfl_xor_sync(0xffffffffu, odd ? y[0] : y[1], 1);
  const float high = (odd ? y[3] : y[2]) + __shfl_xor_sync(0xffffffffu, odd ? y[2] : y[3], 1);
  return (quad < 2 ? low : high) + __shfl_xor_sync(0xffffffffu, quad < 2 ? high : low, 2);
}

// This lane's channel of row `own`, of what Mma has left of [rows, channels] in the warp.
__device__ __forceinline__ float DtOf(const float (&product)[4], int own, int lane) {
  const int from = own * 4 + lane / 8;
  const float even = __shfl_sync(0xffffffffu, product[0], from);
  const float odd = __shfl_sync(0xffffffffu, product[1], from);
  return lane / 4 % 2 == 0 ? even : odd;
}

// One step of four of a channel's states; what they add to its output.
__device__ __forceinline__ float StepStates(float4& s, float exponent, float dx, const float4& a, const uint2& b,
                                            const uint2& c) {
  float to[4], from[4];
  Unpack4(b, to);
  Unpack4(c, from);
  s.x = Exp2(exponent * a.x) * s.x + dx * to[0];
  s.y = Exp2(exponent * a.y) * s.y + dx * to[1];
  s.z = Exp2(exponent * a.z) * s.z + dx * to[2];
  s.w = Exp2(exponent * a.w) * s.w + dx * to[3];
  return s.x * from[0] + s.y * from[1] + s.z * from[2] + s.w * from[3];
}

}  // namespace batucada::cuda
