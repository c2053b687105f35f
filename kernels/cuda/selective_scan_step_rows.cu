#include "kernels/cuda/low_rank.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/selective_scan_step.cuh"

namespace batucada::cuda {
namespace {

constexpr int kGroups = 2;
constexpr int kBlockRows = kGroups * kRows;
constexpr int kWarps = kStepThreads / 32;
constexpr int kPitch = kMostLowRank;  // of rows in shared memory: neighbours start 16 banks apart
static_assert(kBlockRows == 8 && kBlockRows % kWarps == 0 && kPitch * 2 % 128 == 64);

// As ScanStepKernel (selective_scan_step.cu) for the eight rows whose dt is one product: they share a read of w_dt. All
// that a block reads is under way before it needs any of it, and its states before the kernels in front have finished.
// The same sums, so the same bits.
template <int kPacks, int kBlocks>
__global__ void __launch_bounds__(kStepThreads, kBlocks) ScanStepRowsKernel(const SelectiveScanParams p, bool aligned) {
  LetNextKernelStart();
  __shared__ char* slots[kBlockRows];
  __shared__ __align__(16) bf16 low_rank[kBlockRows * kPitch];  // of each row dt_low, B and C
  const int first_row = blockIdx.y * kBlockRows;
  const int rows = min(kBlockRows, p.num_decode - first_row);
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int quad = threadIdx.x % kStepLanes;
  const int channel = blockIdx.x * kBlockChannels + threadIdx.x / kStepLanes;
  const bool valid = channel < p.channels;
  const int safe = valid ? channel : 0;
  const int row_of_lane = first_row + min(lane % kBlockRows, rows - 1);
  const uint32_t fresh = __ballot_sync(0xffffffffu, p.start[row_of_lane] == 0);
  if (threadIdx.x < kBlockRows) slots[threadIdx.x] = p.ssm + p.slot[row_of_lane] * p.slot_bytes;
  const float4 a = reinterpret_cast<const float4*>(p.a + safe * kScanStates)[quad];
  const float skip = p.d[safe];
  const float bias = p.dt_bias[safe];
  const uint4 none{0u, 0u, 0u, 0u};
  uint4 w[kPacks];
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    const int col = (i * kStepLanes + quad) * 8;
    w[i] = col < p.dt_rank ? *reinterpret_cast<const uint4*>(p.w_dt + safe * p.dt_rank + col) : none;
  }
  __syncthreads();
  const int offset = (safe * kScanStates + quad * 4) * static_cast<int>(sizeof(float));
  const auto state = [&](int r) { return reinterpret_cast<float4*>(slots[r] + offset); };
  float4 h[kBlockRows];
#pragma unroll
  for (int r = 0; r < kBlockRows; ++r) {
    if (r < rows) h[r] = *state(r);  // nothing else in this pass writes them
  }
  WaitForEarlierKernels();

  constexpr int kOfWarp = kBlockRows / kWarps;
  uint4 low[kOfWarp];
  uint2 bc[kOfWarp];
#pragma unroll
  for (int i = 0; i < kOfWarp; ++i) {
    const int64_t row = first_row + min(i * kWarps + warp, rows - 1);
    low[i] = lane * 8 < p.dt_rank ? *reinterpret_cast<const uint4*>(p.dt_low + row * p.dt_low_stride + lane * 8) : none;
    const bf16* const from = lane < kStepLanes ? p.b + row * p.b_stride : p.c + row * p.c_stride;
    if (lane < 2 * kStepLanes) bc[i] = Load4(from + quad * 4, aligned);
  }
  float x[kGroups], z[kGroups];
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int64_t own = first_row + min(g * kRows + quad, rows - 1);
    x[g] = __bfloat162float(p.x[own * p.x_stride + safe]);
    z[g] = __bfloat162float(p.z[own * p.z_stride + safe]);
  }
#pragma unroll
  for (int i = 0; i < kOfWarp; ++i) {
    bf16* const to = low_rank + (i * kWarps + warp) * kPitch;
    if (lane * 8 < p.dt_rank) *reinterpret_cast<uint4*>(to + lane * 8) = low[i];
    if (lane < 2 * kStepLanes) *reinterpret_cast<uint2*>(to + p.dt_rank + lane * 4) = bc[i];
  }
  __syncthreads();

  float product[4] = {0.f, 0.f, 0.f, 0.f};  // [rows, channels] of the warp
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {  // which columns meet in which product does not matter, as long as they meet
    const int col = (i * kStepLanes + quad) * 8;
    const uint4 in = col < p.dt_rank ? *reinterpret_cast<const uint4*>(low_rank + lane / 4 * kPitch + col) : none;
    Mma(product, {in.x, 0u, in.y, 0u}, w[i].x, w[i].y);
    Mma(product, {in.z, 0u, in.w, 0u}, w[i].z, w[i].w);
  }
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int first = g * kRows;
    if (first >= rows) break;
    const float delta = Softplus(DtOf(product, min(first + quad, rows - 1), lane) + bias);
    const float own_exponent = delta * kLog2E;
    const float own_dx = delta * x[g];
    float y[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float exponent = __shfl_sync(0xffffffffu, own_exponent, r, kStepLanes);
      const float dx = __shfl_sync(0xffffffffu, own_dx, r, kStepLanes);
      float4& s = h[first + r];
      if (fresh >> (first + r) & 1) s = {0.f, 0.f, 0.f, 0.f};
      const bf16* const b = low_rank + (first + r) * kPitch + p.dt_rank + quad * 4;
      y[r] = StepStates(s, exponent, dx, a, *reinterpret_cast<const uint2*>(b),
                        *reinterpret_cast<const uint2*>(b + kScanStates));
      if (valid && first + r < rows) *state(first + r) = s;
    }
    const float ungated = SumOfLanes(y, quad) + skip * x[g];
    const int64_t own = first_row + first + quad;
    if (valid && first + quad < rows) {
      if (p.memory != nullptr) p.memory[own * p.memory_stride + channel] = __float2bfloat16_rn(ungated);
      p.out[own * p.out_stride + channel] = __float2bfloat16_rn(ungated * Silu(z[g]));
    }
  }
}

template <int kPacks, int kBlocks>
cudaError_t LaunchRows(const SelectiveScanParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.channels, kBlockChannels), CeilDiv(p.num_decode, kBlockRows));
  const bool aligned = reinterpret_cast<uintptr_t>(p.b) % 8 == 0 && reinterpret_cast<uintptr_t>(p.c) % 8 == 0 &&
                       p.b_stride % 4 == 0 && p.c_stride % 4 == 0;
  return Launch(target, ScanStepRowsKernel<kPacks, kBlocks>, grid, dim3(kStepThreads), 0, p, aligned);
}

}  // namespace

cudaError_t SelectiveScanStepRows(const SelectiveScanParams& p, const Target& target) {
  if (p.dt_rank <= 4 * 32) return LaunchRows<4, 5>(p, target);
  if (p.dt_rank <= 5 * 32) return LaunchRows<5, 5>(p, target);
  return LaunchRows<kMaxStepRank / 32, 4>(p, target);
}

}  // namespace batucada::cuda
