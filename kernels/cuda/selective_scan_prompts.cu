#include "kernels/cuda/selective_scan_helper.cuh"
#include "kernels/cuda/selective_scan_walker.cuh"

namespace batucada::cuda {
namespace scan {
namespace {

// What the summary pass leaves for the final one. Entry 0 of `state` is the sequence's initial state, entry i + 1 what
// cut i makes of a zero state.
struct Cuts {
  float* state;      // [prompt sequences, cuts, channels, 16]
  float* sum_delta;  // [prompt sequences, cuts, channels]
};

// Block (i, sequence, cut): the channels of one cut of one prompt.
template <int kChannels, Pass kPass, bool kAligned>
__global__ void __launch_bounds__(Threads<kChannels>::kAll, 1)
    ScanPromptKernel(const SelectiveScanParams p, const Cuts cuts) {
  extern __shared__ __align__(16) char shared[];
  using Block = Threads<kChannels>;
  SharedTiles<kChannels>& s = *reinterpret_cast<SharedTiles<kChannels>*>(shared);
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

  if (threadIdx.x < Block::kWalkers) {
    Walker<kChannels, kPass> walker(threadIdx.x);
    const int channel = blockIdx.x * kChannels + walker.column;
    const bool valid = channel < p.channels;
    const int safe = valid ? channel : 0;
    const int state = walker.half * kPart + walker.q * 2;  // and the one behind it
    float(&h)[2] = walker.h;
    float(&a)[2] = walker.a;
    const auto load = [&](const float* from, float(&to)[2]) {
      const float2 two = *reinterpret_cast<const float2*>(from + state);
      to[0] = two.x;
      to[1] = two.y;
    };
    const auto store = [&](float* to) { *reinterpret_cast<float2*>(to + state) = {h[0], h[1]}; };
    load(p.a + safe * kStates, a);
    a[0] *= kLog2E;
    a[1] *= kLog2E;
    const int64_t entry = static_cast<int64_t>(blockIdx.y) * num_cuts * p.channels + safe;
    float* const summary = cuts.state + entry * kStates;
    const int64_t next_cut = static_cast<int64_t>(p.channels) * kStates;
    if constexpr (kPass != Pass::kFinal) {
      if (cut == 0 && p.start[sequence] != 0) load(p.State(sequence, safe), h);
      if constexpr (kPass == Pass::kSummary) {
        if (cut == 0 && valid) store(summary);
        if (cut == 0) h[0] = h[1] = 0.f;
      }
    } else {
      load(summary, h);
      for (int i = 0; i < cut; ++i) {
        const float decay = cuts.sum_delta[entry + i * static_cast<int64_t>(p.channels)];
        float add[2];
        load(summary + (i + 1) * next_cut, add);
        h[0] = Exp2(decay * a[0]) * h[0] + add[0];
        h[1] = Exp2(decay * a[1]) * h[1] + add[1];
      }
    }
    walker.Walk(s, tiles);
    if (!valid) return;
    if constexpr (kPass == Pass::kSummary) {
      store(summary + (cut + 1) * next_cut);
      if (state == 0) {
        cuts.sum_delta[entry + cut * static_cast<int64_t>(p.channels)] = walker.sum_delta;
      }
    } else if (rows.end == last) {
      store(p.State(sequence, channel));
    }
  } else {
    // What a round works on was loaded a round before. Walkers are still in the last groups of a tile when it meets, so
    // outputs are finished two tiles behind.
    const Helper<kChannels, kAligned> helper(p, rows, threadIdx.x - Block::kWalkers);
    typename Helper<kChannels, kAligned>::Behind behind;
    helper.Prepare(helper.LoadAhead(0), 0, s);
    typename Helper<kChannels, kAligned>::Ahead ahead = helper.LoadAhead(1);
    MeetAtTile<Block::kAll>();
    for (int tile = 0; tile < tiles; ++tile) {
      helper.Prepare(ahead, tile + 1, s);
      ahead = helper.LoadAhead(tile + 2);
      if constexpr (kPass != Pass::kSummary) {
        if (tile > 1) helper.Finish(behind, tile - 2, s);
        if (tile > 0) behind = helper.LoadBehind(tile - 1);
      }
      MeetAtTile<Block::kAll>();
    }
    if constexpr (kPass != Pass::kSummary) {
      if (tiles > 1) helper.Finish(behind, tiles - 2, s);
      behind = helper.LoadBehind(tiles - 1);
      MeetAtTile<Block::kAll>();
      helper.Finish(behind, tiles - 1, s);
    }
  }
}

bool Aligned16(const void* pointer, int64_t stride) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride % 8 == 0;
}

// Cutting costs a second set of exponentials, so it pays only where most multiprocessors would stand idle.
int ChooseCuts(const SelectiveScanParams& p, const Target& target, int blocks, size_t bytes_per_cut) {
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

template <int kChannels, bool kAligned>
cudaError_t LaunchPrompts(const SelectiveScanParams& p, const Target& target) {
  const int prompts = p.num_sequences - p.num_decode;
  const size_t entries = static_cast<size_t>(prompts) * p.channels;
  const int groups = CeilDiv(p.channels, kChannels);
  const int cuts = ChooseCuts(p, target, groups * prompts, entries * (kStates + 1) * sizeof(float));
  // Not while the kernel before still runs: blocks of an earlier form ended up two to a multiprocessor beside an idle
  // one, and these run too long for that. (Two of these do not fit; what it would be now has not been measured.)
  Target alone = target;
  alone.hopper = false;
  const dim3 block(Threads<kChannels>::kAll);
  const size_t shared = sizeof(SharedTiles<kChannels>);
  if (cuts == 1) {
    return Launch(alone, ScanPromptKernel<kChannels, Pass::kWhole, kAligned>, dim3(groups, prompts, 1), block, shared,
                  p, Cuts{});
  }
  float* const scratch = static_cast<float*>(target.workspace);
  const Cuts summary{scratch, scratch + entries * cuts * kStates};
  const cudaError_t error = Launch(alone, ScanPromptKernel<kChannels, Pass::kSummary, kAligned>,
                                   dim3(groups, prompts, cuts - 1), block, shared, p, summary);
  if (error != cudaSuccess) return error;
  return Launch(alone, ScanPromptKernel<kChannels, Pass::kFinal, kAligned>, dim3(groups, prompts, cuts), block, shared,
                p, summary);
}

// Blocks of 48 channels take 1.48 times as long as blocks of 32, and pay where they save a round of blocks. Only on
// Hopper: they share 138 KiB, and others have 99.
template <bool kAligned>
cudaError_t LaunchPrompts(const SelectiveScanParams& p, const Target& target) {
  static_assert(sizeof(SharedTiles<32>) <= 99 * 1024);
  const auto rounds = [&](int channels) {
    return CeilDiv(CeilDiv(p.channels, channels) * (p.num_sequences - p.num_decode), target.multiprocessors);
  };
  return target.hopper && rounds(48) * 148 < rounds(32) * 100 ? LaunchPrompts<48, kAligned>(p, target)
                                                              : LaunchPrompts<32, kAligned>(p, target);
}

}  // namespace
}  // namespace scan

cudaError_t SelectiveScanPrompts(const SelectiveScanParams& p, const Target& target) {
  const bool aligned = scan::Aligned16(p.x, p.x_stride) && scan::Aligned16(p.dt, p.dt_stride) &&
                       scan::Aligned16(p.b, p.b_stride) && scan::Aligned16(p.c, p.c_stride) &&
                       scan::Aligned16(p.z, p.z_stride) && scan::Aligned16(p.out, p.out_stride) &&
                       (p.memory == nullptr || scan::Aligned16(p.memory, p.memory_stride));
  return aligned ? scan::LaunchPrompts<true>(p, target) : scan::LaunchPrompts<false>(p, target);
}

}  // namespace batucada::cuda
