// What the kernels of single rows share: how a channel's states lie among its lanes.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

inline constexpr int kBlockChannels = 32;
inline constexpr int kStepLanes = 4;  // lanes that share a channel, four states each
inline constexpr int kStepThreads = kBlockChannels * kStepLanes;
inline constexpr int kRows = kStepLanes;  // of a block: each lane of a channel looks after one

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

// The sums over the four lanes of a channel of what each lane has for four rows: lane `quad` gets row `quad`'s.
__device__ __forceinline__ float SumOfLanes(const float (&y)[kRows], int quad) {
  const bool odd = quad % 2 != 0;
  const float low = (odd ? y[1] : y[0]) + __shfl_xor_sync(0xffffffffu, odd ? y[0] : y[1], 1);
  const float high = (odd ? y[3] : y[2]) + __shfl_xor_sync(0xffffffffu, odd ? y[2] : y[3], 1);
  return (quad < 2 ? low : high) + __shfl_xor_sync(0xffffffffu, quad < 2 ? high : low, 2);
}

}  // namespace batucada::cuda
