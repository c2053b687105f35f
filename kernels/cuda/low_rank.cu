#include "kernels/cuda/low_rank.cuh"

namespace batucada::cuda {
namespace {

constexpr int kWarps = 4;

// A warp a row.
__global__ void __launch_bounds__(32 * kWarps)
    LowRankKernel(const LowRankParts p, __nv_bfloat16* out, int64_t out_stride) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int row = blockIdx.x * kWarps + threadIdx.x / 32;
  if (row < p.rows) AddUpLowRank(p, row, out + row * out_stride);
}

// A block a row: each warp adds up every fourth part, and one of them what they have.
__global__ void __launch_bounds__(32 * kWarps)
    LowRankPartsKernel(const LowRankParts p, __nv_bfloat16* out, int64_t out_stride) {
  LetNextKernelStart();
  constexpr int kOfWarp = kMostLowRankParts / kWarps;
  __shared__ __align__(16) float sums[kWarps * kMostLowRank];
  const int row = blockIdx.x;
  const int warp = threadIdx.x / 32;
  const int fours = p.width / 4;
  const int64_t pitch = int64_t{p.rows} * fours;
  const float4* const parts = reinterpret_cast<const float4*>(p.parts) + int64_t{row} * fours;
  WaitForEarlierKernels();
#pragma unroll
  for (int i = 0; i < CeilDiv(kMostLowRank / 4, 32); ++i) {
    const int four = threadIdx.x % 32 + i * 32;
    float4 part[kOfWarp];  // all on their way before the first is added
#pragma unroll
    for (int j = 0; j < kOfWarp; ++j) {
      const int which = warp + j * kWarps;
      part[j] = four < fours && which < p.num_parts ? parts[which * pitch + four] : float4{0.f, 0.f, 0.f, 0.f};
    }
#pragma unroll
    for (int j = 1; j < kOfWarp; ++j) part[0] = Add(part[0], part[j]);
    if (four < fours) reinterpret_cast<float4*>(sums)[warp * fours + four] = part[0];
  }
  __syncthreads();
  if (warp > 0) return;
  LowRankParts rest = p;
  rest.parts = sums;
  rest.num_parts = kWarps;
  rest.rows = 1;
  AddUpLowRank(rest, 0, out + row * out_stride);
}

}  // namespace

bool LowRankServes(const LowRankParts& p, const __nv_bfloat16* out, int64_t out_stride) {
  return p.num_parts <= kMostLowRankParts && p.width % 4 == 0 && p.width <= kMostLowRank &&
         reinterpret_cast<uintptr_t>(p.parts) % 16 == 0 && reinterpret_cast<uintptr_t>(out) % 8 == 0 &&
         out_stride % 4 == 0;
}

cudaError_t LowRank(const LowRankParts& parts, __nv_bfloat16* out, int64_t out_stride, const Target& target) {
  if (parts.num_parts > 1) {
    return Launch(target, LowRankPartsKernel, dim3(parts.rows), dim3(32 * kWarps), 0, parts, out, out_stride);
  }
  return Launch(target, LowRankKernel, dim3(CeilDiv(parts.rows, kWarps)), dim3(32 * kWarps), 0, parts, out, out_stride);
}

}  // namespace batucada::cuda
