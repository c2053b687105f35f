#include "kernels/cuda/selective_scan.h"

#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {
namespace {

constexpr int kStates = kScanStates;
constexpr int kBlockChannels = 32;
constexpr int kPerLane = 4;                        // prompts: states a lane holds
constexpr int kLanes = kStates / kPerLane;         // lanes that share a channel
constexpr int kTile = 64;                          // tokens
constexpr int kWalkers = kBlockChannels * kLanes;  // threads that run the recurrence
constexpr int kHelpers = 256;  // threads that prepare and finish tiles, 8 channels of one token each
constexpr int kYPitch = kBlockChannels + 8;
static_assert(kHelpers == kTile * kBlockChannels / 8 && kHelpers == kTile * 2 * kStates / 8);

enum class Pass { kWhole, kSummary, kFinal };

// Where walkers and helpers meet between tiles: each from its own branch, so this is no __syncthreads. Arrivals are
// counted by barrier and not by place (PTX, barrier.cta), and both branches meet equally often: once before the first
// tile and once after each. compute-sanitizer's synccheck reports "divergent thread(s) in block" here all the same,
// presumably because it expects all of a block's threads to meet at one place: it does not object to barriers that two
// branches share for a part of the block (attention_prefill_hopper), and racecheck finds no hazard.
__device__ __forceinline__ void MeetAtTile() { asm volatile("bar.sync 1, %0;" ::"n"(kWalkers + kHelpers) : "memory"); }

// What the summary pass leaves for the final one. Entry 0 of `state` is the sequence's initial state, entry i + 1 what
// cut i makes of a zero state.
struct Cuts {
  float* state;      // [prompt sequences, cuts, channels, 16]
  float* sum_delta;  // [prompt sequences, cuts, channels]
};

struct SharedTiles {
  // {δ, δ·x} of [token][channel]; pairs of channels are permuted within a row (see DeltaPair) against bank conflicts.
  float4 delta[2][kTile][kBlockChannels / 2];
  // Four values of B and the same four of C, as bf16: what a lane needs of a token in one load. Shared memory's
  // bandwidth into registers would otherwise be the limit.
  uint4 bc[2][kTile][kLanes];
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
template <bool kAligned>  // every operand can be loaded 16 bytes at a time
struct Helper {
  int token;
  int group;  // of eight channels
  int channel;
  bool valid;

  __device__ Helper(const SelectiveScanParams& p, int thread)
      : token(thread / 4), group(thread % 4), channel(blockIdx.x * kBlockChannels + group * 8),
        valid(channel < p.channels) {}

  // Eight floats of this thread's channels; from the cache, to keep registers for what is on its way.
  __device__ __forceinline__ void LoadChannels(const float* from, float (&v)[8]) const {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float4 four =
          valid ? __ldg(reinterpret_cast<const float4*>(from + channel) + i) : float4{0.f, 0.f, 0.f, 0.f};
      v[i * 4] = four.x;
      v[i * 4 + 1] = four.y;
      v[i * 4 + 2] = four.z;
      v[i * 4 + 3] = four.w;
    }
  }

  struct Ahead {
    uint4 x{}, dt{}, bc{};
    bool live = false;
  };
  __device__ __forceinline__ Ahead LoadAhead(const SelectiveScanParams& p, const Rows& rows, int tile) const {
    Ahead in;
    const int64_t row = rows.begin + tile * kTile + token;
    if (row >= rows.end) return in;
    const bf16* bc = group < 2 ? p.b + row * p.b_stride + group * 8 : p.c + row * p.c_stride + (group - 2) * 8;
    in.bc = Load8(bc, kAligned);
    if (!valid) return in;
    in.live = true;
    in.x = Load8(p.x + row * p.x_stride + channel, kAligned);
    in.dt = Load8(p.dt + row * p.dt_stride + channel, kAligned);
    return in;
  }
  // Rows past the end get δ = 0, which leaves the state as it is.
  __device__ __forceinline__ void Prepare(const SelectiveScanParams& p, const Ahead& in, SharedTiles& s,
                                          int buffer) const {
    float x[8], dt[8], bias[8];
    LoadChannels(p.dt_bias, bias);
    Unpack8(in.x, x);
    Unpack8(in.dt, dt);
    uint2* const bc = reinterpret_cast<uint2*>(&s.bc[buffer][token][group % 2 * 2]) + group / 2;
    bc[0] = {in.bc.x, in.bc.y};
    bc[2] = {in.bc.z, in.bc.w};
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
  __device__ __forceinline__ Behind LoadBehind(const SelectiveScanParams& p, const Rows& rows, int tile) const {
    Behind in;
    const int64_t row = rows.begin + tile * kTile + token;
    if (row >= rows.end || !valid) return in;
    in.row = row;
    in.x = Load8(p.x + row * p.x_stride + channel, kAligned);
    in.z = Load8(p.z + row * p.z_stride + channel, kAligned);
    return in;
  }
  __device__ __forceinline__ void Finish(const SelectiveScanParams& p, const Behind& in, const SharedTiles& s,
                                         int buffer) const {
    if (in.row < 0) return;
    float x[8], z[8], out[8], skip[8];
    LoadChannels(p.d, skip);
    Unpack8(in.x, x);
    Unpack8(in.z, z);
    const float* y = s.y[buffer][token] + group * 8;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float ungated = y[i] + skip[i] * x[i];
      if (p.memory != nullptr) p.memory[in.row * p.memory_stride + channel + i] = __float2bfloat16_rn(ungated);
      out[i] = ungated * Silu(z[i]);
    }
    bf16* to = p.out + in.row * p.out_stride + channel;
    if constexpr (kAligned) {
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
  int part;    // which four of the channel's states
  int column;  // channel within the block
  float4 a;
  float4 h{0.f, 0.f, 0.f, 0.f};
  float sum_delta = 0.f;

  // What a lane reads of kLanes consecutive tokens.
  struct Group {
    uint4 bc[kLanes];
    float2 d[kLanes];
  };
  __device__ __forceinline__ Group Load(const SharedTiles& s, int buffer, int first, const float2* even,
                                        const float2* odd) const {
    Group g;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      g.bc[i] = s.bc[buffer][first + i][part];
      g.d[i] = (i % 2 == 0 ? even : odd)[(first + i) * kBlockChannels];
    }
    return g;
  }

  // exp(δ·A) of a group's tokens.
  struct Decays {
    float4 of[kLanes];
  };

  // One walker a scheduler has nobody to hide latencies behind, so three groups are under way at once: the loads of
  // one, the exponentials of the next, the recurrence of a third. Exponentials are spread out among the rest, because a
  // second one has to wait for the first.
  __device__ __forceinline__ void Walk(SharedTiles& s, int buffer) {
    const float2* const even =
        reinterpret_cast<const float2*>(&s.delta[buffer][0][DeltaPair(0, column / 2)]) + column % 2;
    const float2* const odd =
        reinterpret_cast<const float2*>(&s.delta[buffer][0][DeltaPair(1, column / 2)]) + column % 2;
    Group now = Load(s, buffer, 0, even, odd);
    Group next = Load(s, buffer, kLanes, even, odd);
    Decays decays;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      const float d = now.d[i].x;
      decays.of[i] = {Exp2(d * a.x), Exp2(d * a.y), Exp2(d * a.z), Exp2(d * a.w)};
    }
    float y_before[kLanes];
#pragma unroll 8
    for (int group = 0; group < kTile; group += kLanes) {
      // Past the tile's end the last group is read again, for nothing.
      const Group after = Load(s, buffer, min(group + 2 * kLanes, kTile - kLanes), even, odd);
      Decays next_decays;
      float y[kLanes];
#pragma unroll
      for (int i = 0; i < kLanes; ++i) {
        const float2 d = now.d[i];
        const float next_d = next.d[i].x;
        float4& e = next_decays.of[i];
        float b[4], c[4];
        e.x = Exp2(next_d * a.x);
        Unpack2(now.bc[i].x, b[0], b[1]);
        Unpack2(now.bc[i].z, c[0], c[1]);
        h.x = decays.of[i].x * h.x + d.y * b[0];
        float sum = h.x * c[0];
        e.y = Exp2(next_d * a.y);
        h.y = decays.of[i].y * h.y + d.y * b[1];
        sum += h.y * c[1];
        e.z = Exp2(next_d * a.z);
        Unpack2(now.bc[i].y, b[2], b[3]);
        Unpack2(now.bc[i].w, c[2], c[3]);
        h.z = decays.of[i].z * h.z + d.y * b[2];
        sum += h.z * c[2];
        e.w = Exp2(next_d * a.w);
        h.w = decays.of[i].w * h.w + d.y * b[3];
        sum += h.w * c[3];
        if constexpr (kPass == Pass::kSummary) {
          sum_delta += d.x;
        } else {
          y[i] = sum;
        }
      }
      if constexpr (kPass != Pass::kSummary) {
        if (group > 0) s.y[buffer][group - kLanes + part][column] = SumOfToken<kLanes>(y_before);
#pragma unroll
        for (int i = 0; i < kLanes; ++i) y_before[i] = y[i];
      }
      now = next;
      next = after;
      decays = next_decays;
    }
    if constexpr (kPass != Pass::kSummary) s.y[buffer][kTile - kLanes + part][column] = SumOfToken<kLanes>(y_before);
  }

  // Of the channel's kLanes lanes, lane `part` gets the sum over all of them for token `part` of the group. Each round
  // a lane keeps half of its tokens and gives the other half to its partner: three shuffles for four sums.
  template <int kTokens>
  __device__ __forceinline__ float SumOfToken(const float (&y)[kTokens]) const {
    if constexpr (kTokens == 1) {
      return y[0];
    } else {
      constexpr int kHalf = kTokens / 2;
      const bool upper = part & kHalf;
      float kept[kHalf];
#pragma unroll
      for (int i = 0; i < kHalf; ++i) {
        const float give = upper ? y[i] : y[i + kHalf];
        kept[i] = (upper ? y[i + kHalf] : y[i]) + __shfl_xor_sync(0xffffffffu, give, kHalf);
      }
      return SumOfToken<kHalf>(kept);
    }
  }
};

// Block (i, sequence, cut): 32 channels of one cut of one prompt.
template <Pass kPass, bool kAligned>
__global__ void __launch_bounds__(kWalkers + kHelpers, 1)
    ScanPromptKernel(const SelectiveScanParams p, const Cuts cuts) {
  extern __shared__ __align__(16) char shared[];
  SharedTiles& s = *reinterpret_cast<SharedTiles*>(shared);
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
    walker.part = threadIdx.x % kLanes;
    walker.column = threadIdx.x / kLanes;
    const int channel = blockIdx.x * kBlockChannels + walker.column;
    const bool valid = channel < p.channels;
    const int safe = valid ? channel : 0;
    const float4 a = reinterpret_cast<const float4*>(p.a + safe * kStates)[walker.part];
    walker.a = {a.x * kLog2E, a.y * kLog2E, a.z * kLog2E, a.w * kLog2E};
    const int64_t entry = (static_cast<int64_t>(blockIdx.y) * num_cuts * p.channels + safe);
    float4* const summary = reinterpret_cast<float4*>(cuts.state) + entry * kLanes + walker.part;
    const int64_t next_cut = static_cast<int64_t>(p.channels) * kLanes;
    if constexpr (kPass != Pass::kFinal) {
      float4 h{0.f, 0.f, 0.f, 0.f};
      if (cut == 0 && p.start[sequence] != 0) h = reinterpret_cast<const float4*>(p.State(sequence, safe))[walker.part];
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
    MeetAtTile();
    for (int tile = 0; tile < tiles; ++tile) {
      walker.Walk(s, tile & 1);
      MeetAtTile();
    }
    if (!valid) return;
    if constexpr (kPass == Pass::kSummary) {
      summary[(cut + 1) * next_cut] = walker.h;
      if (walker.part == 0) cuts.sum_delta[entry + cut * static_cast<int64_t>(p.channels)] = walker.sum_delta;
    } else if (rows.end == last) {
      reinterpret_cast<float4*>(p.State(sequence, channel))[walker.part] = walker.h;
    }
  } else {
    using Aid = Helper<kAligned>;
    const Aid helper(p, threadIdx.x - kWalkers);
    helper.Prepare(p, helper.LoadAhead(p, rows, 0), s, 0);
    // What a round works on was loaded a round before.
    typename Aid::Ahead ahead = helper.LoadAhead(p, rows, 1);
    typename Aid::Behind behind;
    MeetAtTile();
    for (int tile = 0; tile < tiles; ++tile) {
      const typename Aid::Ahead next_ahead = helper.LoadAhead(p, rows, tile + 2);
      typename Aid::Behind next_behind;
      if constexpr (kPass != Pass::kSummary) {
        next_behind = helper.LoadBehind(p, rows, tile);
        helper.Finish(p, behind, s, (tile - 1) & 1);
      }
      helper.Prepare(p, ahead, s, (tile + 1) & 1);
      ahead = next_ahead;
      behind = next_behind;
      MeetAtTile();
    }
    if constexpr (kPass != Pass::kSummary) helper.Finish(p, behind, s, (tiles - 1) & 1);
  }
}

bool Aligned16(const void* pointer, int64_t stride) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride % 8 == 0;
}

// Cutting costs a second set of exponentials, so it pays only where most multiprocessors would stand idle.
int ChooseCuts(const SelectiveScanParams& p, const Target& target, size_t bytes_per_cut) {
  const int blocks = CeilDiv(p.channels, kBlockChannels) * (p.num_sequences - p.num_decode);
  int cuts = p.time_cuts;
  if (target.batch_invariant) return 1;
  if (cuts == 0) {
    constexpr int kFewestRows = 4 * kTile;  // of a cut worth starting
    cuts = blocks * 2 > target.multiprocessors ? 1 : target.multiprocessors / blocks;
    cuts = cuts < p.max_chunk / kFewestRows ? cuts : p.max_chunk / kFewestRows;
  }
  const int fit = static_cast<int>(target.workspace_bytes / bytes_per_cut);
  cuts = cuts < fit ? cuts : fit;
  return cuts < 2 ? 1 : cuts;
}

template <bool kAligned>
cudaError_t LaunchPrompts(const SelectiveScanParams& p, const Target& target) {
  const int prompts = p.num_sequences - p.num_decode;
  const size_t entries = static_cast<size_t>(prompts) * p.channels;
  const int cuts = ChooseCuts(p, target, entries * (kStates + 1) * sizeof(float));
  // Blocks placed while those of the kernel before still run can end up two to a multiprocessor beside an idle one;
  // these run too long for that.
  Target alone = target;
  alone.hopper = false;
  const dim3 block(kWalkers + kHelpers);
  const int groups = CeilDiv(p.channels, kBlockChannels);
  const size_t shared = sizeof(SharedTiles);
  if (cuts == 1) {
    return Launch(alone, ScanPromptKernel<Pass::kWhole, kAligned>, dim3(groups, prompts, 1), block, shared, p, Cuts{});
  }
  float* const scratch = static_cast<float*>(target.workspace);
  const Cuts summary{scratch, scratch + entries * cuts * kStates};
  const cudaError_t error = Launch(alone, ScanPromptKernel<Pass::kSummary, kAligned>, dim3(groups, prompts, cuts - 1),
                                   block, shared, p, summary);
  if (error != cudaSuccess) return error;
  return Launch(alone, ScanPromptKernel<Pass::kFinal, kAligned>, dim3(groups, prompts, cuts), block, shared, p,
                summary);
}

}  // namespace

cudaError_t SelectiveScanPrompts(const SelectiveScanParams& p, const Target& target) {
  const bool aligned = Aligned16(p.x, p.x_stride) && Aligned16(p.dt, p.dt_stride) && Aligned16(p.b, p.b_stride) &&
                       Aligned16(p.c, p.c_stride) && Aligned16(p.z, p.z_stride) && Aligned16(p.out, p.out_stride);
  return aligned ? LaunchPrompts<true>(p, target) : LaunchPrompts<false>(p, target);
}

cudaError_t SelectiveScan(const SelectiveScanParams& params, const Target& target) {
  if (params.num_decode > 0) {
    const cudaError_t error =
        params.before == nullptr ? SelectiveScanStep(params, target) : SelectiveScanDrafts(params, target);
    if (error != cudaSuccess) return error;
  }
  return params.num_sequences > params.num_decode ? SelectiveScanPrompts(params, target) : cudaSuccess;
}

}  // namespace batucada::cuda
