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
  const uint4* const in = reinterpret_cast<const uint4*>(p.gate_up + blockIdx.x * p.in_stride + 2 * col);
  float low[8], high[8], out[8];
  Unpack8(in[0], low);
  Unpack8(in[1], high);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    out[i] = Silu(low[2 * i]) * low[2 * i + 1];
    out[i + 4] = Silu(high[2 * i]) * high[2 * i + 1];
  }
  *reinterpret_cast<uint4*>(p.out + blockIdx.x * p.out_stride + col) = Pack8(out);
}

// Any width and alignment.
__global__ void __launch_bounds__(kThreads) SwiGluAnyKernel(const SwiGluParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  for (int col = blockIdx.y * kThreads + threadIdx.x; col < p.cols; col += gridDim.y * kThreads) {
    const bf16* const in = p.gate_up + blockIdx.x * p.in_stride + 2 * col;
    p.out[blockIdx.x * p.out_stride + col] =
        __float2bfloat16_rn(Silu(__bfloat162float(in[0])) * __bfloat162float(in[1]));
  }
}

bool Aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

}  // namespace

cudaError_t SwiGlu(const SwiGluParams& params, const Target& target) {
  const bool packs = params.cols % 8 == 0 && params.in_stride % 8 == 0 && params.out_stride % 8 == 0 &&
                     Aligned16(params.gate_up) && Aligned16(params.out);
  const dim3 grid(params.rows, CeilDiv(params.cols, 8 * kThreads));
  return Launch(target, packs ? SwiGluKernel : SwiGluAnyKernel, grid, dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
