#include "kernels/cuda/medium_matmul.h"

#include <cooperative_groups.h>

#include <algorithm>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/matmul_output.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_map.h"
#include "kernels/cuda/wgmma.cuh"

namespace batucada::cuda {
namespace {

constexpr int kCutTile = 64;  // weight rows of a block of few input rows: what the cut along k goes by, for all
constexpr int kMaxRows = 128;
constexpr int kMaxRowsOfMany = 256;  // where a product of few weight rows is cut into more than kMostParts parts
// Of weights that a block has under way while its ring fills for the first time. More would make what the kernel in
// front still has to read wait behind weights that nobody waits for yet: RingMatMul.
[[maybe_unused]] constexpr int kAheadBytes = 32 * 1024;

// kGroups warpgroups of 64 input rows multiply kTile weight rows, a stage of 64 columns at a time; one more warp issues
// TMA copies. Where there are fewer, only those are copied, for a box that leaves the matrix takes longer than a whole
// one: what lies behind them is multiplied too, and not stored.
template <int kGroups, int kTile>
struct Shape {
  static constexpr int kRows = 64 * kGroups;
  static constexpr int kSumPitch = kTile + 8;  // floats; the pairs of half a warp meet all banks
  static constexpr int kWorkers = 128 * kGroups;
  static constexpr int kThreads = kWorkers + 32;
  static constexpr int kWeightBytes = kTile * kBoxCols * 2;
  static __host__ __device__ constexpr int StageBytes(int copied) {
    return kWeightBytes + CeilDiv(copied * kBoxCols * 2, 1024) * 1024;  // boxes start at 1024s
  }
  static constexpr int kSumBytes =
      (kRows + kMostParts) * kSumPitch * 4;  // a cluster exchanges them in the ring's place
  // Measured: 96 KB where blocks share an SM or wait for each other, and where each has its own, more.
  static constexpr int kSharedBytes = 96 * 1024, kOwnBytes = (kGroups == 1 ? 144 : 192) * 1024;
  static constexpr int Bytes(int slots, int copied) {
    return slots * (StageBytes(copied) + 3 * 8) + 1024 + (kRows - copied) * kBoxCols * 2;
  }
  // Of a ring of about so many bytes, in whose place the sums of a cluster fit.
  static constexpr int Slots(int bytes, int copied) {
    const int stage = StageBytes(copied), least = CeilDiv(kSumBytes, stage);
    return bytes / stage > least ? bytes / stage : least;
  }
  static_assert(Bytes(Slots(kOwnBytes, kRows), kRows) <= 227 * 1024);
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

constexpr int kFourBatch = 4;  // groups of four columns a thread finishes at once

// Stores a warp's 16 rows of sums as they lie in its registers: lanes 4g to 4g + 3 hold eight neighbours of a row.
template <int kTile>
__device__ __forceinline__ void StoreSums(const MatMulParams& p, const float (&sums)[kTile / 2], int warp_row, int col,
                                          int part) {
  const int lane = threadIdx.x % 32;
  const int pair = lane % 4 * 2;
  const bool odd = lane % 2 != 0;
  const int four = odd * 8 + pair / 4 * 4;  // where neighbouring lanes swap, each stores four columns of every sixteen
  const bool in_fours = OutputsInFours(p);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_row + half * 8 + lane / 4;
    const bool valid = row < p.rows;
    const auto low = [&](int i) { return sums[4 * i + 2 * half]; };
    const auto high = [&](int i) { return sums[4 * i + 2 * half + 1]; };
    if (p.output == MatMulOutput::kPartsF32) {
      float* const to = static_cast<float*>(p.out) + (part * p.rows + row) * p.out_stride + col + pair;
#pragma unroll
      for (int i = 0; i < kTile / 8; ++i) {
        if (valid && col + i * 8 + pair < p.n) *reinterpret_cast<float2*>(to + i * 8) = {low(i), high(i)};
      }
    } else if (in_fours && p.output == MatMulOutput::kBf16) {
      bf16* const to = static_cast<bf16*>(p.out) + row * p.out_stride + col + four;
#pragma unroll
      for (int i = 0; i < kTile / 8; i += 2) {
        const uint32_t first = Pack2(low(i), high(i)), second = Pack2(low(i + 1), high(i + 1));
        const uint32_t other = __shfl_xor_sync(0xffffffffu, odd ? first : second, 1);
        if (valid && col + i * 8 + four < p.n) {
          *reinterpret_cast<uint2*>(to + i * 8) = odd ? uint2{other, second} : uint2{first, other};
        }
      }
    } else if (in_fours && p.output == MatMulOutput::kSwiGlu) {
      bf16* const to = static_cast<bf16*>(p.out) + row * p.out_stride + (col + four) / 2;
#pragma unroll
      for (int i = 0; i < kTile / 8; i += 2) {
        const float first = Silu(low(i)) * high(i), second = Silu(low(i + 1)) * high(i + 1);
        const float other = __shfl_xor_sync(0xffffffffu, odd ? first : second, 1);
        if (valid && col + i * 8 + four < p.n) {
          *reinterpret_cast<uint32_t*>(to + i * 4) = odd ? Pack2(other, second) : Pack2(first, other);
        }
      }
    } else if (valid) {
#pragma unroll
      for (int i = 0; i < kTile / 8; ++i) StorePair(p, row, col + i * 8 + pair, low(i), high(i));
    }
  }
}

// Adds up the sums of a cluster's blocks, which have multiplied parts of k, and stores them: each block a share of the
// rows from `block_row` on. `inbox` [part][row of the share][kTile] takes the ring's place once all blocks have read
// theirs.
template <int kGroups, int kTile>
__device__ __forceinline__ void ExchangeSums(const MatMulParams& p, const float (&sums)[kTile / 2], int block_row,
                                             int warp_row, int col, float* inbox) {
  using S = Shape<kGroups, kTile>;
  constexpr int kWorkers = S::kWorkers;
  constexpr int kSumPitch = S::kSumPitch;
  constexpr int kRowFours = kTile / 4;
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
  const cooperative_groups::cluster_group cluster = cooperative_groups::this_cluster();
  const int parts = gridDim.x;
  const int part = blockIdx.x;
  const int lane = threadIdx.x % 32;
  const int rows = min(S::kRows, static_cast<int>(p.rows) - block_row);
  const int share = CeilDiv(rows, parts);
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_row + half * 8 + lane / 4;
    if (row < rows) {
      const int owner = row / share;
      float* const to =
          cluster.map_shared_rank(inbox, owner) + (part * share + row - owner * share) * kSumPitch + lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < kTile / 8; ++i) {
        *reinterpret_cast<float2*>(to + i * 8) = {sums[4 * i + 2 * half], sums[4 * i + 2 * half + 1]};
      }
    }
  }
  asm volatile("barrier.cluster.arrive.aligned;" ::: "memory");
  const bool in_fours = OutputsInFours(p);
  const int first_row = part * share;
  const int fours = (min(rows, first_row + share) - first_row) * kRowFours;
  float4 prior[kFourBatch];
  const auto load_prior = [&](int base) {
#pragma unroll
    for (int j = 0; j < kFourBatch; ++j) {
      const int i = base + threadIdx.x + j * kWorkers;
      if (i < fours) prior[j] = LoadPrior(p, in_fours, block_row + first_row + i / kRowFours, col + i % kRowFours * 4);
    }
  };
  load_prior(0);
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
  for (int base = 0; base < fours; base += kFourBatch * kWorkers) {
    if (base > 0) load_prior(base);
#pragma unroll
    for (int j = 0; j < kFourBatch; ++j) {
      const int i = base + threadIdx.x + j * kWorkers;
      if (i >= fours) break;
      const float* at = inbox + i / kRowFours * kSumPitch + i % kRowFours * 4;
      float4 sum = *reinterpret_cast<const float4*>(at);
      for (int other = 1; other < parts; ++other) {
        at += share * kSumPitch;
        sum = Add(sum, *reinterpret_cast<const float4*>(at));
      }
      StoreOutput(p, in_fours, block_row + first_row + i / kRowFours, col + i % kRowFours * 4, prior[j], sum);
    }
  }
}

#endif

// Block (part of k, block of input rows, tile of weight rows).
template <int kGroups, int kTile>
__global__ void __launch_bounds__(Shape<kGroups, kTile>::kThreads, 2)
    MediumKernel(const __grid_constant__ MatMulParams p, const __grid_constant__ CUtensorMap w_map,
                 const __grid_constant__ CUtensorMap x_map, int slots, int copied) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  using S = Shape<kGroups, kTile>;
  extern __shared__ char unaligned[];
  LetNextKernelStart();
  char* const shared = unaligned + (1024 - SharedAddress(unaligned) % 1024) % 1024;
  const uint32_t ring = SharedAddress(shared);
  const int stage_bytes = S::StageBytes(copied);
  const uint32_t weights_there = ring + slots * stage_bytes;  // barriers: a stage's weights have arrived,
  const uint32_t input_there = weights_there + 8 * slots;     // its input,
  const uint32_t empty = input_there + 8 * slots;             // and all workers have read both
  const int warp = Uniform(threadIdx.x / 32);
  const int lane = threadIdx.x % 32;
  const int parts = gridDim.x;
  const int part = blockIdx.x;
  const int first_row = blockIdx.y * S::kRows;
  const int first_n = blockIdx.z * kTile;
  const int all_stages = static_cast<int>((p.k + kBoxCols - 1) / kBoxCols);
  const int first_stage = all_stages * part / parts;
  const int stages = all_stages * (part + 1) / parts - first_stage;
  const int ahead = min(slots, stages);
  const auto copy_weights = [&](int stage, int slot) {
    ArriveExpecting(weights_there + slot * 8, S::kWeightBytes);
    CopyBox(ring + slot * stage_bytes, w_map, (first_stage + stage) * kBoxCols, first_n, weights_there + slot * 8);
  };
  const auto copy_input = [&](int stage, int slot) {
    ArriveExpecting(input_there + slot * 8, copied * kBoxCols * 2);
    CopyBox(ring + slot * stage_bytes + S::kWeightBytes, x_map, (first_stage + stage) * kBoxCols, first_row,
            input_there + slot * 8);
  };
  if (threadIdx.x == S::kWorkers) {
    for (int i = 0; i < slots; ++i) {
      InitBarrier(weights_there + i * 8, 1);
      InitBarrier(input_there + i * 8, 1);
      InitBarrier(empty + i * 8, S::kWorkers / 32);
    }
    PublishBarriers();
  }
  __syncthreads();

  if (warp == S::kWorkers / 32) {
    if (lane == 0) {
      FeedRing<kAheadBytes / S::kWeightBytes>(stages, slots, ahead, weights_there, empty, copy_weights, copy_input);
    }
    __syncwarp();
    return WaitForEarlierKernels();
  }

  WaitForEarlierKernels();  // without them there is no input to multiply with
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < ahead; ++stage) copy_input(stage, stage);
  }
  __syncwarp();
  float sums[kTile / 2];
  uint32_t previous = 0;
  for (int stage = 0, slot = 0, parity = 0; stage < stages; ++stage) {
    WaitBarrier(input_there + slot * 8, parity);
    WaitBarrier(weights_there + slot * 8, parity);
    const uint64_t w = DescribeRows(ring + slot * stage_bytes);
    const uint64_t x = DescribeRows(ring + slot * stage_bytes + S::kWeightBytes + warp / 4 * (64 * 128));
    BeginProducts();
#pragma unroll
    for (int i = 0; i < kBoxCols / 16; ++i) MultiplyShared(sums, Advance(x, i * 32), Advance(w, i * 32), stage + i);
    CommitProducts();
    if (stage > 0) {  // while this stage is multiplied, the one before is done
      WaitProducts<1>();
      if (lane == 0) Arrive(previous);
    }
    previous = empty + slot * 8;
    if (++slot == slots) {
      slot = 0;
      parity ^= 1;
    }
  }
  WaitProducts<0>();
  Pin(sums);
  if (parts == 1 || p.output == MatMulOutput::kPartsF32) {
    StoreSums<kTile>(p, sums, first_row + warp * 16, first_n, part);
  } else {
    ExchangeSums<kGroups, kTile>(p, sums, first_row, warp * 16, first_n, reinterpret_cast<float*>(shared));
  }
#endif
}

template <int kGroups, int kTile>
cudaError_t LaunchRows(const MatMulParams& p, const Target& target) {
  using S = Shape<kGroups, kTile>;
  const int parts = MediumMatMulParts(p, target);
  const dim3 grid(parts, CeilDiv(static_cast<int>(p.rows), S::kRows), CeilDiv(static_cast<int>(p.n), kTile));
  const int copied = static_cast<int>(std::min(p.rows, int64_t{S::kRows}));
  CUtensorMap w_map, x_map;
  cudaError_t error = MakeTensorMap(p.w, p.n, p.k, p.k, kTile, &w_map);
  if (error == cudaSuccess) error = MakeTensorMap(p.in, p.rows, p.k, p.in_stride, copied, &x_map);
  if (error != cudaSuccess) return error;
  const bool exchange = parts > 1 && p.output != MatMulOutput::kPartsF32;
  const bool own = !exchange && static_cast<int>(grid.x * grid.y * grid.z) <= target.multiprocessors;
  const int slots = S::Slots(own ? S::kOwnBytes : S::kSharedBytes, copied);
  return LaunchClusters(target, MediumKernel<kGroups, kTile>, grid, dim3(S::kThreads), S::Bytes(slots, copied),
                        exchange ? parts : 1, p, w_map, x_map, slots, copied);
}

// Weight rows of a block. Where there are more tiles of kCutTile than multiprocessors, so that some of these work for
// two, larger tiles are as many at most, and read the input less often (Falcon-Mamba's in_proj at 128 input rows: 4% of
// a step). SwiGLU's products are better off with two blocks a multiprocessor.
int LargeTile(const MatMulParams& p, const Target& target) {
  const auto tiles = [&p](int tile) { return CeilDiv(static_cast<int>(p.n), tile); };
  if (target.batch_invariant || p.output != MatMulOutput::kBf16 || tiles(kCutTile) <= target.multiprocessors) {
    return kCutTile;
  }
  return tiles(80) <= target.multiprocessors ? 80 : tiles(128) <= target.multiprocessors ? 128 : kCutTile;
}

}  // namespace

bool MediumMatMulComputes(const MatMulParams& p, const Target& target) {
  return target.hopper && p.k % 8 == 0 && p.in_stride % 8 == 0 && reinterpret_cast<uintptr_t>(p.w) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(p.in) % 16 == 0;
}

// Not where blocks would not all run at once: cuBLASLt does as well there.
bool MediumMatMulServes(const MatMulParams& p, const Target& target) {
  const int most = MediumMatMulParts(p, target) > kMostParts ? kMaxRowsOfMany : kMaxRows;
  return p.rows <= most && p.n <= int64_t{2} * kCutTile * target.multiprocessors && MediumMatMulComputes(p, target);
}

int MediumMatMulParts(const MatMulParams& p, const Target& target) {
  const int tiles = CeilDiv(static_cast<int>(p.n), kCutTile);
  const int stages = CeilDiv(static_cast<int>(p.k), kBoxCols);
  int parts = target.multiprocessors / tiles;
  if (parts > stages / 2) parts = stages / 2;
  const int most = p.output == MatMulOutput::kPartsF32 ? p.most_parts : kMostParts;
  if (parts > most) parts = most;
  return parts > 1 ? parts : 1;
}

cudaError_t MediumMatMul(const MatMulParams& params, const Target& target) {
  const int tile = LargeTile(params, target);
  if (params.rows <= 64) {  // larger ones gain nothing, and none up to 32 rows
    return tile == 80 && params.rows > 32 ? LaunchRows<1, 80>(params, target) : LaunchRows<1, kCutTile>(params, target);
  }
  if (params.rows <= kMaxRows) {
    if (tile == 80) return LaunchRows<2, 80>(params, target);
    if (tile == 128) return LaunchRows<2, 128>(params, target);
    return LaunchRows<2, kCutTile>(params, target);
  }
  return LaunchRows<2, 2 * kCutTile>(params, target);
}

}  // namespace batucada::cuda
