#include "kernels/cuda/add_bias.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float ToFloat(bf16 v) { return __bfloat162float(v); }
__device__ __forceinline__ float ToFloat(float v) { return v; }
__device__ __forceinline__ void Store(bf16* to, float v) { *to = __float2bfloat16_rn(v); }
__device__ __forceinline__ void Store(float* to, float v) { *to = v; }

template <typename T>
__global__ void __launch_bounds__(kThreads) AddBiasKernel(const AddBiasParams<T> p) {
  LetNextKernelStart();
  const int col = blockIdx.y * kThreads + threadIdx.x;
  const float bias = col < p.cols ? p.bias[col] : 0.f;
  WaitForEarlierKernels();
  if (col >= p.cols) return;
  T* const x = p.x + blockIdx.x * p.x_stride + col;
  Store(x, ToFloat(*x) + bias);
}

template <typename T>
cudaError_t LaunchAddBias(const AddBiasParams<T>& p, const Target& target) {
  if (p.rows == 0) return cudaSuccess;
  return Launch(target, AddBiasKernel<T>, dim3(p.rows, CeilDiv(p.cols, kThreads)), dim3(kThreads), 0, p);
}

}  // namespace

cudaError_t AddBias(const AddBiasParams<bf16>& params, const Target& target) { return LaunchAddBias(params, target); }
cudaError_t AddBias(const AddBiasParams<float>& params, const Target& target) { return LaunchAddBias(params, target); }

}  // namespace batucada::cuda
