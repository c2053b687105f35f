#include "kernels/cuda/mma.cuh"
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

// kRows decode rows of 32 channels, four lanes a channel. A warp has eight channels, the width of mma: with kPacks > 0
// it multiplies their rows of w_dt with the rows' dt_low itself, a lane holding every fourth pack of eight columns;
// otherwise dt is read.
template <int kRows, int kPacks>
__global__ void __launch_bounds__(kStepThreads) ScanStepKernel(const SelectiveScanParams p) {
  LetNextKernelStart();
  const int first_row = blockIdx.y * kRows;
  const int rows = min(kRows, p.num_decode - first_row);
  const int lane = threadIdx.x % 32;
  const int quad = threadIdx.x % kStepLanes;
  const int channel = blockIdx.x * kBlockChannels + threadIdx.x / kStepLanes;
  const bool valid = channel < p.channels;
  const int safe = valid ? channel : 0;
  const float4 a = reinterpret_cast<const float4*>(p.a + safe * kScanStates)[quad];
  const float skip = p.d[safe];
  const float bias = p.dt_bias[safe];
  const uint4 none{0u, 0u, 0u, 0u};
  [[maybe_unused]] uint4 w[kPacks > 0 ? kPacks : 1];
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int col = (i * kStepLanes + quad) * 8;
    w[i] = col < p.dt_rank ? *reinterpret_cast<const uint4*>(p.w_dt + safe * p.dt_rank + col) : none;
  }
  float4* state[kRows];
  float4 h[kRows];
  bool fresh[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = first_row + min(r, rows - 1);
    state[r] = reinterpret_cast<float4*>(p.State(row, safe)) + quad;
    fresh[r] = p.start[row] == 0;
  }
  const auto load_states = [&] {
#pragma unroll
    for (int r = 0; r < kRows; ++r) h[r] = *state[r];
  };
  // Nothing else in this pass writes the state, so it need not wait for the kernels before. With many rows there are
  // more loads than can be under way, and they do better later.
  if constexpr (kPacks > 0) load_states();
  WaitForEarlierKernels();
  if constexpr (kPacks == 0) load_states();

  [[maybe_unused]] float product[4] = {0.f, 0.f, 0.f, 0.f};  // [rows, channels] of the warp
  if constexpr (kPacks > 0) {
    uint4 low[kPacks];
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int col = (i * kStepLanes + quad) * 8;
      const bool there = lane / 4 < rows && col < p.dt_rank;
      low[i] =
          there ? *reinterpret_cast<const uint4*>(p.dt_low + (first_row + lane / 4) * p.dt_low_stride + col) : none;
    }
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {  // which columns meet in which product does not matter, as long as they meet
      Mma(product, {low[i].x, 0u, low[i].y, 0u}, w[i].x, w[i].y);
      Mma(product, {low[i].z, 0u, low[i].w, 0u}, w[i].z, w[i].w);
    }
  }
  float x[kRows], z[kRows], dt[kRows], b[kRows][4], c[kRows][4];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = first_row + min(r, rows - 1);
    x[r] = __bfloat162float(p.x[row * p.x_stride + safe]);
    z[r] = __bfloat162float(p.z[row * p.z_stride + safe]);
    Unpack4(p.b + row * p.b_stride + quad * 4, b[r]);
    Unpack4(p.c + row * p.c_stride + quad * 4, c[r]);
    if constexpr (kPacks == 0) {
      dt[r] = __bfloat162float(p.dt[row * p.dt_stride + safe]);
    } else {
      const int from = r * 4 + lane / 8;  // the lane that has this channel of the row
      const float even = __shfl_sync(0xffffffffu, product[0], from);
      const float odd = __shfl_sync(0xffffffffu, product[1], from);
      dt[r] = lane / 4 % 2 == 0 ? even : odd;
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r >= rows) break;
    float4& s = h[r];
    if (fresh[r]) s = {0.f, 0.f, 0.f, 0.f};  // only here, so that nothing waits for the load before it must
    const float delta = Softplus(dt[r] + bias);
    const float exponent = delta * kLog2E;
    const float dx = delta * x[r];
    s.x = Exp2(exponent * a.x) * s.x + dx * b[r][0];
    s.y = Exp2(exponent * a.y) * s.y + dx * b[r][1];
    s.z = Exp2(exponent * a.z) * s.z + dx * b[r][2];
    s.w = Exp2(exponent * a.w) * s.w + dx * b[r][3];
    float y = s.x * c[r][0] + s.y * c[r][1] + s.z * c[r][2] + s.w * c[r][3];
    y += __shfl_xor_sync(0xffffffffu, y, 1);
    y += __shfl_xor_sync(0xffffffffu, y, 2);
    if (!valid) continue;
    const int row = first_row + r;
    *state[r] = s;
    if (quad == 0) p.out[row * p.out_stride + channel] = __float2bfloat16_rn((y + skip * x[r]) * Silu(z[r]));
  }
}

template <int kRows, int kPacks>
cudaError_t LaunchStep(const SelectiveScanParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.channels, kBlockChannels), CeilDiv(p.num_decode, kRows));
  return Launch(target, ScanStepKernel<kRows, kPacks>, grid, dim3(kStepThreads), 0, p);
}

}  // namespace

cudaError_t SelectiveScanStep(const SelectiveScanParams& p, const Target& target) {
  if (p.w_dt == nullptr) return LaunchStep<1, 0>(p, target);
  if (p.dt_rank <= kMaxStepRank / 2) return LaunchStep<4, kMaxStepRank / 2 / 32>(p, target);
  return LaunchStep<4, kMaxStepRank / 32>(p, target);
}

}  // namespace batucada::cuda
