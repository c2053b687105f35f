#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kBlockChannels = 32;
constexpr int kStepLanes = 4;  // lanes that share a channel, four states each
constexpr int kStepThreads = kBlockChannels * kStepLanes;

__device__ __forceinline__ void Unpack4(const bf16* from, float (&v)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = __bfloat162float(from[i]);
}

// One decode row of 32 channels, four lanes a channel.
__global__ void __launch_bounds__(kStepThreads) ScanStepKernel(const SelectiveScanParams p) {
  LetNextKernelStart();
  const int row = blockIdx.y;
  const int quad = threadIdx.x % kStepLanes;
  const int channel = blockIdx.x * kBlockChannels + threadIdx.x / kStepLanes;
  const bool valid = channel < p.channels;
  const int safe = valid ? channel : 0;
  const float4 a = reinterpret_cast<const float4*>(p.a + safe * kScanStates)[quad];
  const float skip = p.d[safe];
  const float bias = p.dt_bias[safe];
  float4* const state = reinterpret_cast<float4*>(p.State(row, safe)) + quad;
  const bool fresh = p.start[row] == 0;
  WaitForEarlierKernels();
  float4 h = *state;
  if (fresh) h = {0.f, 0.f, 0.f, 0.f};  // after the load, which need not wait for it
  const float x = __bfloat162float(p.x[row * p.x_stride + safe]);
  const float dt = __bfloat162float(p.dt[row * p.dt_stride + safe]);
  const float z = __bfloat162float(p.z[row * p.z_stride + safe]);
  float b[4], c[4];
  Unpack4(p.b + row * p.b_stride + quad * 4, b);
  Unpack4(p.c + row * p.c_stride + quad * 4, c);
  const float delta = Softplus(dt + bias);
  const float exponent = delta * kLog2E;
  const float dx = delta * x;
  h.x = Exp2(exponent * a.x) * h.x + dx * b[0];
  h.y = Exp2(exponent * a.y) * h.y + dx * b[1];
  h.z = Exp2(exponent * a.z) * h.z + dx * b[2];
  h.w = Exp2(exponent * a.w) * h.w + dx * b[3];
  float y = h.x * c[0] + h.y * c[1] + h.z * c[2] + h.w * c[3];
  y += __shfl_xor_sync(0xffffffffu, y, 1);
  y += __shfl_xor_sync(0xffffffffu, y, 2);
  if (!valid) return;
  *state = h;
  if (quad == 0) p.out[row * p.out_stride + channel] = __float2bfloat16_rn((y + skip * x) * Silu(z));
}

}  // namespace

cudaError_t SelectiveScanStep(const SelectiveScanParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.channels, kBlockChannels), p.num_decode);
  return Launch(target, ScanStepKernel, grid, dim3(kStepThreads), 0, p);
}

}  // namespace batucada::cuda
