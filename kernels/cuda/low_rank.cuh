// The end of x_proj: low_rank.h.
#pragma once

#include "kernels/cuda/low_rank.h"
#include "kernels/cuda/matmul_params.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

inline constexpr int kMostLowRank = 256 + 2 * kScanStates;  // columns

// One warp adds up a row's parts, and norms them; `to` is aligned to 8 bytes.
__device__ __forceinline__ void AddUpLowRank(const LowRankParts& p, int row, bf16* to) {
  constexpr int kFours = CeilDiv(kMostLowRank / 4, 32);
  const int lane = threadIdx.x % 32;
  const int width = p.width;
  const int rank = width - 2 * kScanStates;
  const int64_t pitch = int64_t{p.rows} * width / 4;
  const float4 zero{0.f, 0.f, 0.f, 0.f};
  float4 v[kFours];
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    const int four = lane + i * 32;
    const float4* const at = reinterpret_cast<const float4*>(p.parts + int64_t{row} * width) + four;
    float4 part[kMostParts];  // all on their way before the first is added
#pragma unroll
    for (int j = 0; j < kMostParts; ++j) {
      part[j] = four * 4 < width && j < p.num_parts ? at[j * pitch] : zero;
    }
    v[i] = part[0];
#pragma unroll
    for (int j = 1; j < kMostParts; ++j) v[i] = Add(v[i], part[j]);
  }
  if (p.dt_norm != nullptr) {
    float squares[3] = {0.f, 0.f, 0.f};  // of dt_low, B and C
    const auto which = [&](int four) { return max(0, (four * 4 - rank) / kScanStates + (four * 4 >= rank)); };
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const float sum = v[i].x * v[i].x + v[i].y * v[i].y + v[i].z * v[i].z + v[i].w * v[i].w;
      const int part = which(lane + i * 32);
#pragma unroll
      for (int j = 0; j < 3; ++j) squares[j] += part == j ? sum : 0.f;
    }
    float scale[3];
#pragma unroll
    for (int j = 0; j < 3; ++j) {
      const float count = static_cast<float>(j == 0 ? p.norm_rank : kScanStates);
      scale[j] = rsqrtf(WarpSum(squares[j]) / count + p.eps);
    }
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const int col = (lane + i * 32) * 4;
      if (col >= width) continue;
      const int part = which(lane + i * 32);
      const float* const weight = part == 0   ? p.dt_norm + col
                                  : part == 1 ? p.b_norm + (col - rank)
                                              : p.c_norm + (col - rank - kScanStates);
      const int there = part == 0 ? p.norm_rank - col : 4;  // weights
      const float by = part == 0 ? scale[0] : part == 1 ? scale[1] : scale[2];
      v[i].x *= by * (there > 0 ? weight[0] : 0.f);
      v[i].y *= by * (there > 1 ? weight[1] : 0.f);
      v[i].z *= by * (there > 2 ? weight[2] : 0.f);
      v[i].w *= by * (there > 3 ? weight[3] : 0.f);
    }
  }
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    const int col = (lane + i * 32) * 4;
    if (col < width) *reinterpret_cast<uint2*>(to + col) = {Pack2(v[i].x, v[i].y), Pack2(v[i].z, v[i].w)};
  }
}

}  // namespace batucada::cuda
