#include "kernels/cuda/low_rank.cuh"

namespace batucada::cuda {
namespace {

constexpr int kRowsPerBlock = 4;

__global__ void __launch_bounds__(32 * kRowsPerBlock)
    LowRankKernel(const LowRankParts p, __nv_bfloat16* out, int64_t out_stride) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int row = blockIdx.x * kRowsPerBlock + threadIdx.x / 32;
  if (row < p.rows) AddUpLowRank(p, row, out + row * out_stride);
}

}  // namespace

bool LowRankServes(const LowRankParts& p, const __nv_bfloat16* out, int64_t out_stride) {
  return p.width % 4 == 0 && p.width <= kMostLowRank && reinterpret_cast<uintptr_t>(p.parts) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(out) % 8 == 0 && out_stride % 4 == 0;
}

cudaError_t LowRank(const LowRankParts& parts, __nv_bfloat16* out, int64_t out_stride, const Target& target) {
  return Launch(target, LowRankKernel, dim3(CeilDiv(parts.rows, kRowsPerBlock)), dim3(32 * kRowsPerBlock), 0, parts,
                out, out_stride);
}

}  // namespace batucada::cuda
