// What a scan's dt, B and C are made of, [dt_low, B, C] of each row, from the parts that a product has left
// (MatMulOutput::kPartsF32): their sum, or of each of the three its RMSNorm.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

inline constexpr int kScanStates = 16;        // of a channel; columns of B, and of C
inline constexpr int kMostLowRankParts = 16;  // that LowRank adds up; the step of the scan does with kMostParts

struct LowRankParts {
  const float* parts = nullptr;  // [num_parts, rows, width], aligned to 16 bytes
  int num_parts = 0;
  int rows = 0;
  int width = 0;                   // of dt_low, B and C: a multiple of 4, at most 288
  const float* dt_norm = nullptr;  // [norm_rank]; null: no norms
  const float* b_norm = nullptr;   // [16]
  const float* c_norm = nullptr;   // [16]
  int norm_rank = 0;               // of dt_low, the rest is padding
  float eps = 0.f;
};

// out [rows, width], rows `out_stride` apart and aligned to 8 bytes. A row is its own block's or warp's: its bits
// depend on nothing but its parts. Floor: a launch.
bool LowRankServes(const LowRankParts& parts, const __nv_bfloat16* out, int64_t out_stride);
cudaError_t LowRank(const LowRankParts& parts, __nv_bfloat16* out, int64_t out_stride, const Target& target);

}  // namespace batucada::cuda
