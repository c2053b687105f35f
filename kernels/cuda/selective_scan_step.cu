#include "kernels/cuda/low_rank.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/selective_scan_step.cuh"

namespace batucada::cuda {
namespace {

// Blocks for which a multiprocessor's registers must do. Where dt is given there are many rows, and eight, of 64
// registers a thread, make a step up to 2% faster; where it is made, they make it 2 to 4% slower.
template <int kPacks>
constexpr int kLeastBlocks = kPacks == 0 ? 8 : 4;

// kRows decode rows of 32 channels, four lanes a channel. A warp has eight channels, the width of mma: with kPacks > 0
// a block adds up the parts of its rows' dt_low, B and C, and its warps multiply dt_low with their rows of w_dt, a lane
// holding every fourth pack of eight columns; otherwise dt is read. A channel's lanes share out what its rows need
// once: x, z, dt and their functions.
template <int kPacks>
__global__ void __launch_bounds__(kStepThreads, kLeastBlocks<kPacks>)
    ScanStepKernel(const SelectiveScanParams p, bool aligned) {
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

  const int own = min(quad, rows - 1);  // the row that this lane looks after
  const float x = __bfloat162float(p.x[(first_row + own) * p.x_stride + safe]);
  const float z = __bfloat162float(p.z[(first_row + own) * p.z_stride + safe]);
  const bf16* dt_low = p.dt_low + first_row * p.dt_low_stride;
  const bf16* b_rows = p.b + first_row * p.b_stride;
  const bf16* c_rows = p.c + first_row * p.c_stride;
  int64_t dt_low_pitch = p.dt_low_stride, b_pitch = p.b_stride, c_pitch = p.c_stride;
  __shared__ __align__(16) bf16 low_rank[kPacks > 0 ? kRows * kMostLowRank : 8];
  static_assert(kRows == kStepThreads / 32);
  if constexpr (kPacks > 0) {
    const int row = threadIdx.x / 32;
    if (row < rows) AddUpLowRank(p.low, first_row + row, low_rank + row * kMostLowRank);
    __syncthreads();
    dt_low = low_rank;
    b_rows = low_rank + p.dt_rank;
    c_rows = b_rows + kScanStates;
    dt_low_pitch = b_pitch = c_pitch = kMostLowRank;
    aligned = true;
  }

  [[maybe_unused]] float product[4] = {0.f, 0.f, 0.f, 0.f};  // [rows, channels] of the warp
  if constexpr (kPacks > 0) {
    uint4 low[kPacks];
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int col = (i * kStepLanes + quad) * 8;
      const bool there = lane / 4 < rows && col < p.dt_rank;
      low[i] = there ? *reinterpret_cast<const uint4*>(dt_low + lane / 4 * dt_low_pitch + col) : none;
    }
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {  // which columns meet in which product does not matter, as long as they meet
      Mma(product, {low[i].x, 0u, low[i].y, 0u}, w[i].x, w[i].y);
      Mma(product, {low[i].z, 0u, low[i].w, 0u}, w[i].z, w[i].w);
    }
  }
  uint2 b[kRows], c[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = min(r, rows - 1);
    b[r] = Load4(b_rows + row * b_pitch + quad * 4, aligned);
    c[r] = Load4(c_rows + row * c_pitch + quad * 4, aligned);
  }
  float dt;
  if constexpr (kPacks == 0) {
    dt = __bfloat162float(p.dt[(first_row + own) * p.dt_stride + safe]);
  } else {
    dt = DtOf(product, own, lane);
  }
  const float delta = Softplus(dt + bias);
  const float own_exponent = delta * kLog2E;
  const float own_dx = delta * x;
  float y[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const float exponent = __shfl_sync(0xffffffffu, own_exponent, r, kStepLanes);
    const float dx = __shfl_sync(0xffffffffu, own_dx, r, kStepLanes);
    float4& s = h[r];
    if (fresh[r]) s = {0.f, 0.f, 0.f, 0.f};  // only here, so that nothing waits for the load before it must
    y[r] = StepStates(s, exponent, dx, a, b[r], c[r]);
    if (valid && r < rows) *state[r] = s;
  }
  const float sum = SumOfLanes(y, quad);
  if (!valid || quad >= rows) return;
  const float ungated = sum + skip * x;
  if (p.memory != nullptr) p.memory[(first_row + quad) * p.memory_stride + channel] = __float2bfloat16_rn(ungated);
  p.out[(first_row + quad) * p.out_stride + channel] = __float2bfloat16_rn(ungated * Silu(z));
}

template <int kPacks>
cudaError_t LaunchStep(const SelectiveScanParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.channels, kBlockChannels), CeilDiv(p.num_decode, kRows));
  const bool aligned = reinterpret_cast<uintptr_t>(p.b) % 8 == 0 && reinterpret_cast<uintptr_t>(p.c) % 8 == 0 &&
                       p.b_stride % 4 == 0 && p.c_stride % 4 == 0;
  return Launch(target, ScanStepKernel<kPacks>, grid, dim3(kStepThreads), 0, p, aligned);
}

}  // namespace

cudaError_t SelectiveScanStep(const SelectiveScanParams& p, const Target& target) {
  if (p.w_dt == nullptr) return LaunchStep<0>(p, target);
  if (p.low.parts == nullptr) return SelectiveScanStepRows(p, target);
  constexpr int kAll = kMaxStepRank / 32;
  return p.dt_rank <= kMaxStepRank / 2 ? LaunchStep<kAll / 2>(p, target) : LaunchStep<kAll>(p, target);
}

}  // namespace batucada::cuda
