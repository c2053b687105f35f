#include "kernels/cuda/silu_gate.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) SiluGateKernel(const SiluGateParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int col = blockIdx.y * kThreads + threadIdx.x;
  if (col >= p.cols) return;
  const float gate = __bfloat162float(p.gate[blockIdx.x * p.gate_stride + col]);
  const float x = __bfloat162float(p.x[blockIdx.x * p.x_stride + col]);
  p.out[blockIdx.x * p.out_stride + col] = __float2bfloat16_rn(Silu(gate) * x);
}

}  // namespace

cudaError_t SiluGate(const SiluGateParams& params, const Target& target) {
  if (params.rows == 0) return cudaSuccess;
  const dim3 grid(params.rows, CeilDiv(params.cols, kThreads));
  return Launch(target, SiluGateKernel, grid, dim3(kThreads), 0, params);
}

}  // namespace batucada::cuda
