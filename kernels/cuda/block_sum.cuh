// The sum over all threads of a block.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

// To all of them. `sums`: shared memory for a number per warp, which nobody reads or writes any more.
__device__ __forceinline__ float BlockSum(float v, float* sums) {
  v = WarpSum(v);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
  __syncthreads();
  return WarpSum(threadIdx.x % 32 < blockDim.x / 32 ? sums[threadIdx.x % 32] : 0.f);
}

}  // namespace batucada::cuda
