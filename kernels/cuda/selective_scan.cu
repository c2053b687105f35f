#include "kernels/cuda/selective_scan.h"

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kStates = 16;
constexpr int kQuad = 4;                  // states a lane holds
constexpr int kLanes = kStates / kQuad;   // lanes that share a channel
constexpr int kBlockChannels = 32;
constexpr int kTile = 32;                 // tokens
constexpr int kWalkers = kBlockChannels * kLanes;  // threads that run the recurrence
constexpr int kHelpers = 128;             // threads that prepare and finish tiles, 8 channels of one token each
constexpr int kYPitch = kBlockChannels + 8;
static_assert(kHelpers == kTile * kBlockChannels / 8 && kHelpers == kTile * 2 * kStates / 8);

__device__ __forceinline__ float* State(const SelectiveScanParams& p, int sequence, int channel) {
  return reinterpret_cast<float*>(p.ssm + p.slot[sequence] * p.slot_bytes) + channel * kStates;
}

__device__ __forceinline__ float4 LoadA(const SelectiveScanParams& p, int channel, int quad) {
  const float4 a = reinterpret_cast<const float4*>(p.a + channel * kStates)[quad];
  return {a.x * kLog2E, a.y * kLog2E, a.z * kLog2E, a.w * kLog2E};
}

__device__ __forceinline__ void Unpack4(const bf16* from, float (&v)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = __bfloat162float(from[i]);
}

// --- decode -----------------------------------------------------------------------------------------------------------

// kRows consecutive decode rows of 32 channels; their states are all loaded before the first is used.
template <int kRows>
__global__ void __launch_bounds__(kWalkers) ScanStepKernel(const SelectiveScanParams p) {
  LetNextKernelStart();
  const int quad = threadIdx.x % kLanes;
  const int channel = blockIdx.x * kBlockChannels + threadIdx.x / kLanes;
  const bool valid = channel < p.channels;
  const int safe = valid ? channel : 0;
  const float4 a = LoadA(p, safe, quad);
  const float skip = p.d[safe];
  const float bias = p.dt_bias[safe];
  WaitForEarlierKernels();
  const int begin = blockIdx.y * kRows;
  float4 h[kRows];
  float x[kRows], dt[kRows], z[kRows], b[kRows][4], c[kRows][4];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = begin + i;
    h[i] = {0.f, 0.f, 0.f, 0.f};
    if (row >= p.num_decode || !valid) continue;
    if (p.start[row] != 0) h[i] = reinterpret_cast<const float4*>(State(p, row, channel))[quad];
    x[i] = __bfloat162float(p.x[row * p.x_stride + channel]);
    dt[i] = __bfloat162float(p.dt[row * p.dt_stride + channel]);
    z[i] = __bfloat162float(p.z[row * p.z_stride + channel]);
    Unpack4(p.b + row * p.b_stride + quad * kQuad, b[i]);
    Unpack4(p.c + row * p.c_stride + quad * kQuad, c[i]);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = begin + i;
    if (row >= p.num_decode) return;  // the same for the whole block
    const float delta = Softplus(dt[i] + bias);
    const float dx = delta * x[i];
    h[i].x = Exp2(delta * a.x) * h[i].x + dx * b[i][0];
    h[i].y = Exp2(delta * a.y) * h[i].y + dx * b[i][1];
    h[i].z = Exp2(delta * a.z) * h[i].z + dx * b[i][2];
    h[i].w = Exp2(delta * a.w) * h[i].w + dx * b[i][3];
    float y = h[i].x * c[i][0] + h[i].y * c[i][1] + h[i].z * c[i][2] + h[i].w * c[i][3];
    y += __shfl_xor_sync(0xffffffffu, y, 1);
    y += __shfl_xor_sync(0xffffffffu, y, 2);
    if (!valid) continue;
    reinterpret_cast<float4*>(State(p, row, channel))[quad] = h[i];
    if (quad == 0) p.out[row * p.out_stride + channel] = __float2bfloat16_rn((y + skip * x[i]) * Silu(z[i]));
  }
}

// --- prompts ----------------------------------------------------------------------------------------------------------

enum class Pass { kWhole, kSummary, kFinal };

// What the summary pass leaves for the final one. Entry 0 of `state` is the sequence's initial state, entry i + 1 what
// cut i makes of a zero state.
struct Cuts {
  float* state;      // [prompt sequences, cuts, channels, 16]
  float* sum_delta;  // [prompt sequences, cuts, channels]
};

struct SharedTiles {
  // {δ, δ·x} of [token][channel]; pairs of channels are permuted within a row (see DeltaPair) against bank conflicts.
  float4 delta[2][kTile][kBlockChannels / 2];
  float4 b[2][kTile][kStates / 4];
  float4 c[2][kTile][kStates / 4];
  float y[2][kTile][kYPitch];
};

// Where the pair of channels `pair` of a token lies.
__device__ __forceinline__ int DeltaPair(int token, int pair) { return pair ^ ((pair >> 3 & 1) | (token & 1) << 1); }

// The rows [begin, end) of one cut of one sequence.
struct Rows {
  int begin;
  int end;
};

// A helper thread's part of a tile: eight channels of one token, and eight of its 32 values of B and C.
struct Helper {
  int token;
  int group;       // of eight channels
  int channel;
  bool valid;
  bool aligned;    // every operand can be loaded 16 bytes at a time
  float bias[8];
  float skip[8];

  __device__ Helper(const SelectiveScanParams& p, int thread, bool operands_aligned)
      : token(thread / 4),
        group(thread % 4),
        channel(blockIdx.x * kBlockChannels + group * 8),
        valid(channel < p.channels),
        aligned(operands_aligned) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      bias[i] = valid ? p.dt_bias[channel + i] : 0.f;
      skip[i] = valid ? p.d[channel + i] : 0.f;
    }
  }

  struct Ahead {
    uint4 x{}, dt{}, bc{};
    bool live = false;
  };
  __device__ Ahead LoadAhead(const SelectiveScanParams& p, const Rows& rows, int tile) const {
    Ahead in;
    const int64_t row = rows.begin + tile * kTile + token;
    if (row >= rows.end) return in;
    const bf16* bc = group < 2 ? p.b + row * p.b_stride + group * 8 : p.c + row * p.c_stride + (group - 2) * 8;
    in.bc = Load8(bc, aligned);
    if (!valid) return in;
    in.live = true;
    in.x = Load8(p.x + row * p.x_stride + channel, aligned);
    in.dt = Load8(p.dt + row * p.dt_stride + channel, aligned);
    return in;
  }
  // Rows past the end get δ = 0, which leaves the state as it is.
  __device__ void Prepare(const Ahead& in, SharedTiles& s, int buffer) const {
    float x[8], dt[8], bc[8];
    Unpack8(in.x, x);
    Unpack8(in.dt, dt);
    Unpack8(in.bc, bc);
    float4* bc_to = (group < 2 ? s.b : s.c)[buffer][token] + (group & 1) * 2;
    bc_to[0] = {bc[0], bc[1], bc[2], bc[3]};
    bc_to[1] = {bc[4], bc[5], bc[6], bc[7]};
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
      const float first = in.live ? Softplus(dt[i] + bias[i]) : 0.f;
      const float second = in.live ? Softplus(dt[i + 1] + bias[i + 1]) : 0.f;
      s.delta[buffer][token][DeltaPair(token, group * 4 + i / 2)] = {first, first * x[i], second, second * x[i + 1]};
    }
  }

  struct Behind {
    uint4 x{}, z{};
    int64_t row = -1;
  };
  __device__ Behind LoadBehind(const SelectiveScanParams& p, const Rows& rows, int tile) const {
    Behind in;
    const int64_t row = rows.begin + tile * kTile + token;
    if (tile < 0 || row >= rows.end || !valid) return in;
    in.row = row;
    in.x = Load8(p.x + row * p.x_stride + channel, aligned);
    in.z = Load8(p.z + row * p.z_stride + channel, aligned);
    return in;
  }
  __device__ void Finish(const SelectiveScanParams& p, const Behind& in, const SharedTiles& s, int buffer) const {
    if (in.row < 0) return;
    float x[8], z[8], out[8];
    Unpack8(in.x, x);
    Unpack8(in.z, z);
    const float* y = s.y[buffer][token] + group * 8;
#pragma unroll
    for (int i = 0; i < 8; ++i) out[i] = (y[i] + skip[i] * x[i]) * Silu(z[i]);
    bf16* to = p.out + in.row * p.out_stride + channel;
    if (aligned) {
      *reinterpret_cast<uint4*>(to) = Pack8(out);
    } else {
#pragma unroll
      for (int i = 0; i < 8; ++i) to[i] = __float2bfloat16_rn(out[i]);
    }
  }
};

// A walker lane: four states of one channel.
template <Pass kPass>
struct Walker {
  int quad;
  int column;  // channel within the block
  float4 a;
  float4 h{0.f, 0.f, 0.f, 0.f};
  float sum_delta = 0.f;

  __device__ __forceinline__ void Walk(SharedTiles& s, int buffer) {
    const float2* delta_even = reinterpret_cast<const float2*>(&s.delta[buffer][0][DeltaPair(0, column / 2)]) + column % 2;
    const float2* delta_odd = reinterpret_cast<const float2*>(&s.delta[buffer][0][DeltaPair(1, column / 2)]) + column % 2;
#pragma unroll 2
    for (int group = 0; group < kTile; group += 4) {
      float y[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int token = group + i;
        const float2 d = (i % 2 == 0 ? delta_even : delta_odd)[token * kBlockChannels];
        const float4 b = s.b[buffer][token][quad];
        h.x = Exp2(d.x * a.x) * h.x + d.y * b.x;
        h.y = Exp2(d.x * a.y) * h.y + d.y * b.y;
        h.z = Exp2(d.x * a.z) * h.z + d.y * b.z;
        h.w = Exp2(d.x * a.w) * h.w + d.y * b.w;
        if constexpr (kPass == Pass::kSummary) {
          sum_delta += d.x;
        } else {
          const float4 c = s.c[buffer][token][quad];
          y[i] = h.x * c.x + h.y * c.y + h.z * c.z + h.w * c.w;
        }
      }
      if constexpr (kPass != Pass::kSummary) s.y[buffer][group + quad][column] = SumOfToken(y);
    }
  }

  // Lane `quad` gets the sum over the channel's four lanes for token `quad` of the group: three shuffles for four sums.
  __device__ __forceinline__ float SumOfToken(const float (&y)[4]) const {
    const bool upper = quad & 2;
    const float low = (upper ? y[2] : y[0]) + __shfl_xor_sync(0xffffffffu, upper ? y[0] : y[2], 2);
    const float high = (upper ? y[3] : y[1]) + __shfl_xor_sync(0xffffffffu, upper ? y[1] : y[3], 2);
    const bool odd = quad & 1;
    return (odd ? high : low) + __shfl_xor_sync(0xffffffffu, odd ? low : high, 1);
  }
};

// Block (i, sequence, cut): 32 channels of one cut of one prompt.
template <Pass kPass>
__global__ void __launch_bounds__(kWalkers + kHelpers)
    ScanPromptKernel(const SelectiveScanParams p, const Cuts cuts, bool aligned) {
  __shared__ SharedTiles s;
  LetNextKernelStart();
  WaitForEarlierKernels();
  const int sequence = p.num_decode + blockIdx.y;
  const int cut = blockIdx.z;
  const int num_cuts = gridDim.z + (kPass == Pass::kSummary ? 1 : 0);  // the last cut needs no summary
  const int first = p.first_row[sequence];
  const int last = p.first_row[sequence + 1];
  const int cut_rows = CeilDiv(CeilDiv(last - first, num_cuts), kTile) * kTile;
  const Rows rows{first + cut * cut_rows, min(first + (cut + 1) * cut_rows, last)};
  if (rows.begin >= rows.end) return;
  const int tiles = CeilDiv(rows.end - rows.begin, kTile);

  if (threadIdx.x < kWalkers) {
    Walker<kPass> walker;
    walker.quad = threadIdx.x % kLanes;
    walker.column = threadIdx.x / kLanes;
    const int channel = blockIdx.x * kBlockChannels + walker.column;
    const bool valid = channel < p.channels;
    const int safe = valid ? channel : 0;
    walker.a = LoadA(p, safe, walker.quad);
    const int64_t entry = (static_cast<int64_t>(blockIdx.y) * num_cuts * p.channels + safe);
    float4* const summary = reinterpret_cast<float4*>(cuts.state) + entry * kLanes + walker.quad;
    const int64_t next_cut = static_cast<int64_t>(p.channels) * kLanes;
    if constexpr (kPass != Pass::kFinal) {
      float4 h{0.f, 0.f, 0.f, 0.f};
      if (cut == 0 && p.start[sequence] != 0) h = reinterpret_cast<const float4*>(State(p, sequence, safe))[walker.quad];
      if constexpr (kPass == Pass::kSummary) {
        if (cut == 0 && valid) summary[0] = h;
      } else {
        walker.h = h;
      }
    } else {
      float4 h = summary[0];
      for (int i = 0; i < cut; ++i) {
        const float decay = cuts.sum_delta[entry + i * static_cast<int64_t>(p.channels)];
        const float4 add = summary[(i + 1) * next_cut];
        h = {Exp2(decay * walker.a.x) * h.x + add.x, Exp2(decay * walker.a.y) * h.y + add.y,
             Exp2(decay * walker.a.z) * h.z + add.z, Exp2(decay * walker.a.w) * h.w + add.w};
      }
      walker.h = h;
    }
    __syncthreads();
    for (int tile = 0; tile < tiles; ++tile) {
      walker.Walk(s, tile & 1);
      __syncthreads();
    }
    if (!valid) return;
    if constexpr (kPass == Pass::kSummary) {
      summary[(cut + 1) * next_cut] = walker.h;
      if (walker.quad == 0) cuts.sum_delta[entry + cut * static_cast<int64_t>(p.channels)] = walker.sum_delta;
    } else if (rows.end == last) {
      reinterpret_cast<float4*>(State(p, sequence, channel))[walker.quad] = walker.h;
    }
  } else {
    const Helper helper(p, threadIdx.x - kWalkers, aligned);
    helper.Prepare(helper.LoadAhead(p, rows, 0), s, 0);
    __syncthreads();
    for (int tile = 0; tile < tiles; ++tile) {
      const Helper::Ahead ahead = helper.LoadAhead(p, rows, tile + 1);
      if constexpr (kPass != Pass::kSummary) {
        const Helper::Behind behind = helper.LoadBehind(p, rows, tile - 1);
        helper.Finish(p, behind, s, (tile - 1) & 1);
      }
      helper.Prepare(ahead, s, (tile + 1) & 1);
      __syncthreads();
    }
    if constexpr (kPass != Pass::kSummary) {
      helper.Finish(p, helper.LoadBehind(p, rows, tiles - 1), s, (tiles - 1) & 1);
    }
  }
}

bool Aligned16(const void* pointer, int64_t stride) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride % 8 == 0;
}

// Cutting costs a second set of exponentials, so it pays only where most multiprocessors would stand idle.
int ChooseCuts(const SelectiveScanParams& p, const Target& target, size_t bytes_per_cut) {
  const int blocks = CeilDiv(p.channels, kBlockChannels) * (p.num_sequences - p.num_decode);
  int cuts = p.time_cuts;
  if (cuts == 0) {
    constexpr int kFewestRows = 4 * kTile;  // of a cut worth starting
    cuts = blocks * 2 > target.multiprocessors ? 1 : target.multiprocessors / blocks;
    cuts = cuts < p.max_chunk / kFewestRows ? cuts : p.max_chunk / kFewestRows;
  }
  const int fit = static_cast<int>(target.workspace_bytes / bytes_per_cut);
  cuts = cuts < fit ? cuts : fit;
  return cuts < 2 ? 1 : cuts;
}

cudaError_t ScanPrompts(const SelectiveScanParams& p, const Target& target) {
  const int prompts = p.num_sequences - p.num_decode;
  const bool aligned = Aligned16(p.x, p.x_stride) && Aligned16(p.dt, p.dt_stride) && Aligned16(p.b, p.b_stride) &&
                       Aligned16(p.c, p.c_stride) && Aligned16(p.z, p.z_stride) && Aligned16(p.out, p.out_stride);
  const size_t entries = static_cast<size_t>(prompts) * p.channels;
  const int cuts = ChooseCuts(p, target, entries * (kStates + 1) * sizeof(float));
  const dim3 block(kWalkers + kHelpers);
  const int groups = CeilDiv(p.channels, kBlockChannels);
  if (cuts == 1) {
    return Launch(target, ScanPromptKernel<Pass::kWhole>, dim3(groups, prompts, 1), block, 0, p, Cuts{}, aligned);
  }
  float* const scratch = static_cast<float*>(target.workspace);
  const Cuts summary{scratch, scratch + entries * cuts * kStates};
  const cudaError_t error = Launch(target, ScanPromptKernel<Pass::kSummary>, dim3(groups, prompts, cuts - 1), block, 0, p,
                                   summary, aligned);
  if (error != cudaSuccess) return error;
  return Launch(target, ScanPromptKernel<Pass::kFinal>, dim3(groups, prompts, cuts), block, 0, p, summary, aligned);
}

cudaError_t ScanDecode(const SelectiveScanParams& p, const Target& target) {
  constexpr int kRows = 4;
  const int groups = CeilDiv(p.channels, kBlockChannels);
  const bool many = groups * CeilDiv(p.num_decode, kRows) >= 4 * target.multiprocessors;
  const dim3 block(kWalkers);
  if (!many) return Launch(target, ScanStepKernel<1>, dim3(groups, p.num_decode), block, 0, p);
  return Launch(target, ScanStepKernel<kRows>, dim3(groups, CeilDiv(p.num_decode, kRows)), block, 0, p);
}

}  // namespace

cudaError_t SelectiveScan(const SelectiveScanParams& params, const Target& target) {
  if (params.num_decode > 0) {
    const cudaError_t error = ScanDecode(params, target);
    if (error != cudaSuccess) return error;
  }
  return params.num_sequences > params.num_decode ? ScanPrompts(params, target) : cudaSuccess;
}

}  // namespace batucada::cuda
