#include "kernels/cuda/swiglu.h"

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 128;

// Eight columns a thread; cols a multiple of 8, rows aligned to 16 bytes.
__global__ void __launch_bounds__(kThreads) SwiGluKernel(const SwiGluParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int col = (blockIdx.y * kThreads + threadIdx.x) * 8;
  if (col >= p.cols) return;
  const int64_t in = blockIdx.x * p.in_stride + col;
  float gate[8], up[8], out[8];
  Unpack8(*reinterpret_cast<const uint4*>(p.gate + in), gate);
  Unpack8(*reinterpret_cast<const uint4*>(p.up + in), up);
#pragma unroll
  for (int i = 0; i < 8; ++i) out[i] = Silu(gate[i]) * up[i];
  *reinterpret_cast<uint4*>(p.out + blockIdx.x * p.out_stride + col) = Pack8(out);
}

// Any width and alignment.
__global__ void __launch_bounds__(kThreads) SwiGluAnyKernel(const SwiGluParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  for (int col = blockIdx.y * kThreads + threadIdx.x; col < p.cols; col += gridDim.y * kThreads) {
    const int64_t in = blockIdx.x * p.in_stride + col;
    p.out[blockIdx.x * p.out_stride + col] =
        __float2bfloat16_rn(Silu(__bfloat162float(p.gate[in])) * __bfloat162float(p.up[in]));
  }
}

bool Aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

}  // namespace

cudaError_t SwiGlu(const SwiGluParams& params, const Target& target) {
  const bool packs = params.cols % 8 == 0 && params.in_stride % 8 == 0 && params.out_stride % 8 == 0 &&
                     Aligned16(params.gate) && Aligned16(params.up) && Aligned16(params.out);
  const dim3 grid(params.rows, CeilDiv(params.cols, 8 * kThreads));
  return Launch(target, packs ? SwiGluKernel : SwiGluAnyKernel, grid, dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
