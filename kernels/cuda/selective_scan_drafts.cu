#include "kernels/cuda/drafts.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/selective_scan_step.cuh"

namespace batucada::cuda {
namespace {

// As ScanStepKernel (selective_scan_step.cu), but that a block has one row and all drafts behind it, kRows at a time,
// each of which starts with what the one before leaves in registers; the same sums, so the same bits. One kernel for
// both was 1.2% of a step slower without drafts.
template <int kPacks>
__global__ void __launch_bounds__(kStepThreads) ScanDraftsKernel(const SelectiveScanParams p, bool aligned) {
  LetNextKernelStart();
  const int head = blockIdx.y;
  if (IsDraft(p.before, p.slot, head)) return WaitForEarlierKernels();
  int end = head + 1;
  while (end < p.num_decode && IsDraft(p.before, p.slot, end)) ++end;
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
  // Nothing else in this pass writes the state, so it need not wait for the kernels before.
  float4 carried = reinterpret_cast<const float4*>(p.State(head, safe))[quad];
  if (p.start[head] == 0) carried = {0.f, 0.f, 0.f, 0.f};
  WaitForEarlierKernels();
  for (int first_row = head; first_row < end; first_row += kRows) {
    const int rows = min(kRows, end - first_row);
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
    uint2 b[kRows], c[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = first_row + min(r, rows - 1);
      b[r] = Load4(p.b + row * p.b_stride + quad * 4, aligned);
      c[r] = Load4(p.c + row * p.c_stride + quad * 4, aligned);
    }
    const int own = min(quad, rows - 1);  // the row that this lane looks after
    const float x = __bfloat162float(p.x[(first_row + own) * p.x_stride + safe]);
    const float z = __bfloat162float(p.z[(first_row + own) * p.z_stride + safe]);
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
      float4& s = carried;
      y[r] = StepStates(s, exponent, dx, a, b[r], c[r]);
      if (valid && r < rows) reinterpret_cast<float4*>(p.State(first_row + r, safe))[quad] = s;
    }
    const float sum = SumOfLanes(y, quad);
    if (valid && quad < rows) {
      const float ungated = sum + skip * x;
      if (p.memory != nullptr) p.memory[(first_row + quad) * p.memory_stride + channel] = __float2bfloat16_rn(ungated);
      p.out[(first_row + quad) * p.out_stride + channel] = __float2bfloat16_rn(ungated * Silu(z));
    }
  }
}

template <int kPacks>
cudaError_t LaunchDrafts(const SelectiveScanParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.channels, kBlockChannels), p.num_decode);
  const bool aligned = reinterpret_cast<uintptr_t>(p.b) % 8 == 0 && reinterpret_cast<uintptr_t>(p.c) % 8 == 0 &&
                       p.b_stride % 4 == 0 && p.c_stride % 4 == 0;
  return Launch(target, ScanDraftsKernel<kPacks>, grid, dim3(kStepThreads), 0, p, aligned);
}

}  // namespace

cudaError_t SelectiveScanDrafts(const SelectiveScanParams& p, const Target& target) {
  if (p.w_dt == nullptr) return LaunchDrafts<0>(p, target);
  if (p.dt_rank <= kMaxStepRank / 2) return LaunchDrafts<kMaxStepRank / 2 / 32>(p, target);
  return LaunchDrafts<kMaxStepRank / 32>(p, target);
}

}  // namespace batucada::cuda
