#include "kernels/cuda/causal_conv.h"

#include "kernels/cuda/conv_step.cuh"
#include "kernels/cuda/drafts.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kWidth = kConvWidth;
constexpr int kThreads = 128;
constexpr int kTileRows = 32;

__device__ __forceinline__ bf16* State(const CausalConvParams& p, int sequence, int channel) {
  return reinterpret_cast<bf16*>(p.conv + p.slot[sequence] * p.slot_bytes) + channel * (kWidth - 1);
}

struct Pack4 {
  float v[4];
};

__device__ __forceinline__ Pack4 LoadX(const CausalConvParams& p, int64_t row, int channel) {
  const uint2 raw = *reinterpret_cast<const uint2*>(p.x + row * p.x_stride + channel);
  Pack4 x;
  Unpack2(raw.x, x.v[0], x.v[1]);
  Unpack2(raw.y, x.v[2], x.v[3]);
  return x;
}

// The input `back` rows before the sequence's first row: from its slot, or zero.
__device__ __forceinline__ Pack4 LoadHistory(const CausalConvParams& p, int sequence, int channel, int back) {
  Pack4 x{};
  if (p.start[sequence] == 0) return x;
  const bf16* state = State(p, sequence, channel);
#pragma unroll
  for (int i = 0; i < 4; ++i) x.v[i] = __bfloat162float(state[i * (kWidth - 1) + kWidth - 1 - back]);
  return x;
}

// Four channels of one decode row and its drafts a thread: their states are 24 bytes side by side.
__global__ void __launch_bounds__(kThreads) ConvStepKernel(const CausalConvParams p, bool aligned) {
  LetNextKernelStart();
  const int channel = (blockIdx.y * kThreads + threadIdx.x) * 4;
  int row = blockIdx.x;
  if (channel >= p.channels || IsDraft(p.before, p.slot, row)) return WaitForEarlierKernels();
  Taps taps;
  taps.Load(p.weight, p.bias, channel);
  // Nothing else in this pass writes the state, so it need not wait for the kernels before.
  ConvState state;
  state.Load(State(p, row, channel), aligned);
  if (p.start[row] == 0) state.Clear();
  WaitForEarlierKernels();
  do {
    const uint2 x = *reinterpret_cast<const uint2*>(p.x + row * p.x_stride + channel);
    *reinterpret_cast<uint2*>(p.out + row * p.out_stride + channel) = state.Step(taps, x);
    state.Store(State(p, row, channel), aligned);
    ++row;
  } while (row < p.num_decode && IsDraft(p.before, p.slot, row));
}

// Four channels a thread, kTileRows prompt rows a block; channels a multiple of 4.
__global__ void __launch_bounds__(kThreads) ConvPromptKernel(const CausalConvParams p) {
  LetNextKernelStart();
  const int channel = (blockIdx.y * kThreads + threadIdx.x) * 4;
  if (channel >= p.channels) return WaitForEarlierKernels();
  Taps taps;
  taps.Load(p.weight, p.bias, channel);
  WaitForEarlierKernels();
  const int begin = p.num_decode + blockIdx.x * kTileRows;
  const int end = min(begin + kTileRows, p.num_tokens);
  int sequence = p.row_sequence[begin];
  int first = p.first_row[sequence];
  int last = p.first_row[sequence + 1];
  Pack4 tap[kWidth - 1];  // oldest first
#pragma unroll
  for (int back = kWidth - 1; back > 0; --back) {
    tap[kWidth - 1 - back] = begin - back >= first ? LoadX(p, begin - back, channel)
                                                   : LoadHistory(p, sequence, channel, back - (begin - first));
  }
#pragma unroll 4
  for (int row = begin; row < end; ++row) {
    if (row == last) {
      sequence = p.row_sequence[row];
      last = p.first_row[sequence + 1];
#pragma unroll
      for (int back = kWidth - 1; back > 0; --back) tap[kWidth - 1 - back] = LoadHistory(p, sequence, channel, back);
    }
    const Pack4 x = LoadX(p, row, channel);
    float out[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 w = taps.weight[i];
      out[i] = Silu(taps.bias[i] + w.x * tap[0].v[i] + w.y * tap[1].v[i] + w.z * tap[2].v[i] + w.w * x.v[i]);
    }
    tap[0] = tap[1];
    tap[1] = tap[2];
    tap[2] = x;
    *reinterpret_cast<uint2*>(p.out + row * p.out_stride + channel) = {Pack2(out[0], out[1]), Pack2(out[2], out[3])};
  }
}

// The last three inputs of every prompt sequence, some of them from the old state where the chunk is shorter than that.
__global__ void __launch_bounds__(kThreads) ConvStateKernel(const CausalConvParams p) {
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int channel = blockIdx.y * kThreads + threadIdx.x;
  if (channel >= p.channels) return;
  const int sequence = p.num_decode + blockIdx.x;
  const int first = p.first_row[sequence];
  const int rows = p.first_row[sequence + 1] - first;
  const bool fresh = p.start[sequence] == 0;
  bf16* state = State(p, sequence, channel);
  bf16 next[kWidth - 1];
#pragma unroll
  for (int i = 0; i < kWidth - 1; ++i) {
    const int row = rows - (kWidth - 1) + i;
    next[i] =
        row >= 0 ? p.x[(first + row) * p.x_stride + channel] : (fresh ? __float2bfloat16_rn(0.f) : state[rows + i]);
  }
#pragma unroll
  for (int i = 0; i < kWidth - 1; ++i) state[i] = next[i];
}

}  // namespace

cudaError_t CausalConv(const CausalConvParams& p, const Target& target) {
  if (p.num_decode > 0) {
    const dim3 grid(p.num_decode, CeilDiv(p.channels, 4 * kThreads));
    const bool aligned = reinterpret_cast<uintptr_t>(p.conv) % 8 == 0 && p.slot_bytes % 8 == 0;
    const cudaError_t error = Launch(target, ConvStepKernel, grid, dim3(kThreads), 0, p, aligned);
    if (error != cudaSuccess) return error;
  }
  if (p.num_tokens == p.num_decode) return cudaSuccess;
  const dim3 tiles(CeilDiv(p.num_tokens - p.num_decode, kTileRows), CeilDiv(p.channels, 4 * kThreads));
  const cudaError_t error = Launch(target, ConvPromptKernel, tiles, dim3(kThreads), 0, p);
  if (error != cudaSuccess) return error;
  const dim3 sequences(p.num_sequences - p.num_decode, CeilDiv(p.channels, kThreads));
  return Launch(target, ConvStateKernel, sequences, dim3(kThreads), 0, p);
}

}  // namespace batucada::cuda
