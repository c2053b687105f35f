// What a block of the scan of prompts shares: tiles of tokens, on their way from helpers to walkers and back.
#pragma once

#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda::scan {

inline constexpr int kStates = kScanStates;
inline constexpr int kTile = 64;          // tokens
inline constexpr int kPairs = kTile / 2;  // of tokens
inline constexpr int kPart = 8;           // channels, and states, of a walker's warp
inline constexpr int kYTiles = 3;  // walkers are in a tile's last groups when helpers begin the one after the next

// A block's threads, for `kChannels` channels.
template <int kChannels>
struct Threads {
  static constexpr int kQuads = kChannels / 4;
  static constexpr int kWalkers = kChannels / kPart * (kStates / kPart) * 32;  // run the recurrence
  static constexpr int kHelpers = kPairs * kQuads;                             // prepare and finish tiles
  static constexpr int kAll = kWalkers + kHelpers;
};

// Where walkers and helpers meet: each from its own branch, so this is no __syncthreads. Arrivals are counted by
// barrier and not by place (PTX, barrier.cta), and both branches meet equally often: before the first tile, once in
// each, and, if there are outputs, after the last. compute-sanitizer's synccheck reports "divergent thread(s) in block"
// here all the same, presumably because it expects all of a block's threads to meet at one place: it does not object to
// barriers that two branches share for a part of the block (attention_prefill_hopper), and racecheck finds no hazard.
template <int kThreads>
__device__ __forceinline__ void MeetAtTile() {
  asm volatile("bar.sync 1, %0;" ::"n"(kThreads) : "memory");
}

template <int kChannels>
struct SharedTiles {
  // Of each pair of tokens and channel {δ·x of the first, of the second, δ of the first, of the second}; δ·x as the sum
  // of two bf16. Channels are permuted within their four (see PlaceOf) against bank conflicts.
  uint4 delta[2 * kPairs][kChannels];
  uint4 b[2 * kTile / 8][kStates][2];          // {B/2, B/2} as bf16, of the four even and the four odd tokens of eight
  uint4 c[2][2 * kTile];                       // eight values of C, of each half of the states
  float y[2][kYTiles * kTile][kChannels + 4];  // what each half of the states adds
};

// Where channel `channel` of a pair of tokens lies.
__device__ __forceinline__ int PlaceOf(int channel) { return channel ^ (channel >> 3 & 3); }

// The rows [begin, end) of one cut of one sequence.
struct Rows {
  int begin;
  int end;
};

}  // namespace batucada::cuda::scan
