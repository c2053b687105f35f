// A row of logits and the blocks that go through it together: a team, one block or a cluster that shares the row.
#pragma once

#include <cooperative_groups.h>

#include "kernels/cuda/vector.cuh"
#include "kernels/sampling.h"

namespace batucada::cuda {

inline constexpr int kThreads = 1024;
inline constexpr int kWarps = kThreads / 32;
inline constexpr int kBins = 2 * kThreads;
inline constexpr int kCandidates = 256;  // values ranked one against all
inline constexpr int kMostBlocks = 8;    // of a team: a cluster whose blocks share a row
inline constexpr int kMostMeetings = 5;  // of a team
inline constexpr uint32_t kAll = 0xffffffffu;

using Mass = unsigned long long;  // a probability relative to the most likely id's, in units of 2^-40

struct Choice {
  float score;
  int id;
};
__device__ __forceinline__ bool Better(const Choice& a, const Choice& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

struct Shared {
  Mass mass[kBins];
  uint32_t count[kBins];
  float candidates[kCandidates];
  int candidate_ids[kMaxTop];
  int num_candidates;
  uint32_t bar;  // a score that some id has reached, as Ordered
  Mass warp_mass[kWarps];
  uint32_t warp_count[kWarps];
  float warp_float[kWarps];
  Choice warp_choice[kWarps];
  Choice team[kMostMeetings][kMostBlocks];  // what every block brought to each meeting
  int meetings;
  // The bin a histogram points to.
  int bin;
  uint32_t bin_count;
  Mass above_mass;
  uint32_t above_count;
};

// One row of logits, read by all threads of the team: as the model gave them, or as the sequence's controls leave them.
struct Row {
  const float* logits;
  int vocab;
  bool aligned;                  // to 16 bytes
  int blocks;                    // of the team
  int rank;                      // of this block in it
  const TokenControl* controls;  // null: the model's own
  ControlRequest request;
  int position;
  const uint32_t* allowed;  // null: every id

  __device__ __forceinline__ float At(int id) const {
    if (!IsAllowed(allowed, id)) return -INFINITY;
    return controls == nullptr ? logits[id] : ControlledLogit(logits[id], controls[id], request, position);
  }

  // Calls f(id, logit) for every id that is allowed, four neighbours at a time where they are aligned.
  template <typename F>
  __device__ __forceinline__ void ForEach(F f) const {
    const int first = rank * kThreads + threadIdx.x, step = blocks * kThreads;
    if (controls != nullptr || (allowed != nullptr && !aligned)) {
      for (int id = first; id < vocab; id += step) {
        if (IsAllowed(allowed, id)) f(id, At(id));
      }
      return;
    }
    const int packs = aligned ? vocab / 4 : 0;
    if (allowed != nullptr) {
#pragma unroll 2
      for (int i = first; i < packs; i += step) {
        const uint32_t four = allowed[i / 8] >> (i % 8 * 4) & 15;
        if (four == 0) continue;  // its logits are not even read
        const float4 v = reinterpret_cast<const float4*>(logits)[i];
        if (four & 1) f(i * 4, v.x);
        if (four & 2) f(i * 4 + 1, v.y);
        if (four & 4) f(i * 4 + 2, v.z);
        if (four & 8) f(i * 4 + 3, v.w);
      }
    } else {
#pragma unroll 2
      for (int i = first; i < packs; i += step) {
        const float4 v = reinterpret_cast<const float4*>(logits)[i];
        f(i * 4, v.x);
        f(i * 4 + 1, v.y);
        f(i * 4 + 2, v.z);
        f(i * 4 + 3, v.w);
      }
    }
    for (int id = packs * 4 + first; id < vocab; id += step) {
      if (IsAllowed(allowed, id)) f(id, logits[id]);
    }
  }
};

__device__ inline Choice BlockBest(Choice mine, Shared& s) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const Choice other{__shfl_xor_sync(kAll, mine.score, lanes), __shfl_xor_sync(kAll, mine.id, lanes)};
    if (Better(other, mine)) mine = other;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) s.warp_choice[threadIdx.x / 32] = mine;
  __syncthreads();
  mine = s.warp_choice[threadIdx.x % kWarps];
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const Choice other{__shfl_xor_sync(kAll, mine.score, lanes), __shfl_xor_sync(kAll, mine.id, lanes)};
    if (Better(other, mine)) mine = other;
  }
  return mine;
}

template <typename T>
__device__ inline T BlockSum(T mine, T (&warp_sums)[kWarps]) {
  mine = WarpSum(mine);
  __syncthreads();
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = mine;
  __syncthreads();
  return WarpSum(warp_sums[threadIdx.x % kWarps]);
}

// Brings what each block of the team has to all of them, which then go through it in the same order.
template <typename F>
__device__ __forceinline__ void Meet(const Row& row, Shared& s, const Choice& mine, F f) {
#if __CUDA_ARCH__ >= 900
  const int meeting = s.meetings;
  if (threadIdx.x < row.blocks) {
    *cooperative_groups::this_cluster().map_shared_rank(&s.team[meeting][row.rank], threadIdx.x) = mine;
  }
  asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
  for (int i = 0; i < row.blocks; ++i) f(s.team[meeting][i]);
  if (threadIdx.x == 0) s.meetings = meeting + 1;  // no place is used twice
  __syncthreads();
#endif
}

__device__ __forceinline__ Choice TeamBest(const Row& row, Choice mine, Shared& s) {
  mine = BlockBest(mine, s);
  if (row.blocks == 1) return mine;
  Choice best = mine;
  Meet(row, s, mine, [&best](const Choice& other) {
    if (Better(other, best)) best = other;
  });
  return best;
}

__device__ __forceinline__ float TeamSum(const Row& row, float mine, Shared& s) {
  mine = BlockSum(mine, s.warp_float);
  if (row.blocks == 1) return mine;
  float sum = 0.f;
  Meet(row, s, {mine, 0}, [&sum](const Choice& other) { sum += other.score; });
  return sum;
}

__device__ __forceinline__ int TeamCount(const Row& row, uint32_t mine, Shared& s) {
  mine = BlockSum(mine, s.warp_count);
  if (row.blocks == 1) return static_cast<int>(mine);
  int sum = 0;
  Meet(row, s, {0.f, static_cast<int>(mine)}, [&sum](const Choice& other) { sum += other.id; });
  return sum;
}

}  // namespace batucada::cuda
