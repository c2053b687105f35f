#include "kernels/bench/cuda_copy.h"

namespace batucada::bench {
namespace {

constexpr int kThreads = 256;
constexpr int kPerThread = 4;

__global__ void __launch_bounds__(kThreads) CopyKernel(uint4* to, const uint4* from, size_t count) {
  const size_t first = static_cast<size_t>(blockIdx.x) * kThreads * kPerThread + threadIdx.x;
  uint4 v[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    if (first + i * kThreads < count) v[i] = __ldcs(from + first + i * kThreads);
  }
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    if (first + i * kThreads < count) __stcs(to + first + i * kThreads, v[i]);
  }
}

}  // namespace

cudaError_t CopyOnMultiprocessors(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const size_t count = bytes / sizeof(uint4);
  const size_t per_block = size_t{kThreads} * kPerThread;
  CopyKernel<<<static_cast<unsigned>((count + per_block - 1) / per_block), kThreads, 0, stream>>>(
      static_cast<uint4*>(to), static_cast<const uint4*>(from), count);
  return cudaGetLastError();
}

}  // namespace batucada::bench
