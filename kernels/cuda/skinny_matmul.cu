#include "kernels/cuda/skinny_matmul.h"

#include <cooperative_groups.h>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/matmul_output.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_map.h"

namespace batucada::cuda {
namespace {

constexpr int kMaxRows = 32;  // beyond, MediumMatMul is faster, except for small weights
constexpr int kMaxCluster = 8;
constexpr int kWorkers = 8;  // warps that multiply; one more issues TMA copies
constexpr int kThreads = 32 * (kWorkers + 1);
constexpr int kRingBytes = 108 * 1024;  // so that two blocks, of this kernel and the next, fit beside each other
constexpr int kMaxStages = 12;

// A block multiplies kTile weight rows with up to kRows input rows.
template <int kRows, int kTile>
struct Shape {
  static constexpr int kDepth = kTile + kRows <= 48 ? 256 : 128;  // columns of a stage
  static constexpr int kPanels = kDepth / kBoxCols;               // a panel: 64 columns of weights, then of input
  static constexpr int kWeightBytes = kPanels * kTile * 128;
  static constexpr int kInputBytes = kPanels * kRows * 128;
  static constexpr int kStageBytes = kWeightBytes + kInputBytes;
  static constexpr int kFit = (kRingBytes - (kRows * kTile + 4 * kMaxCluster) * 4) / kStageBytes;
  static constexpr int kStages = kFit < kMaxStages ? kFit : kMaxStages;
  static constexpr int kMTiles = kRows == 64 ? 2 : 1;   // of 16 weight rows, a warp
  static constexpr int kSide = kTile / (16 * kMTiles);  // warps along n
  static constexpr int kSlices = kWorkers / kSide;      // warps along a stage's columns
  static constexpr int kSliceDepth = kDepth / kSlices;
  static constexpr int kSumPitch = kTile + 4;  // floats
  static constexpr int kSumBytes = kSlices * kRows * kSumPitch * 4;
  static constexpr int kBarrierBytes = 2 * 8 * kMaxStages;
  static constexpr int kInboxBytes =
      (kRows * kTile + 4 * kMaxCluster) * 4;  // sums that the blocks of a cluster send each other
  static constexpr int kFours = CeilDiv(kRows * kTile / 4, 32 * kWorkers);  // of a tile's sums, a thread
  static constexpr int kBytes =
      kStages * kStageBytes + kBarrierBytes + kInboxBytes + 1024;  // boxes lie at multiples of 1024
  static_assert(kSliceDepth % (kRows == 8 ? 32 : 16) == 0 && kSumBytes <= kStages * kStageBytes && kFours > 0);
};

// Block (part of k within its cluster, tile of weight rows).
template <int kRows, int kTile>
__global__ void __launch_bounds__(kThreads, 2)
    SkinnyKernel(const __grid_constant__ MatMulParams p, const __grid_constant__ CUtensorMap w_map,
                 const __grid_constant__ CUtensorMap x_map) {
#if __CUDA_ARCH__ >= 900
  using S = Shape<kRows, kTile>;
  extern __shared__ char unaligned[];
  LetNextKernelStart();
  char* const shared = unaligned + (1024 - SharedAddress(unaligned) % 1024) % 1024;
  const uint32_t ring = SharedAddress(shared);
  const uint32_t full = ring + S::kStages * S::kStageBytes;  // barriers: a stage has arrived
  const uint32_t empty = full + 8 * kMaxStages;              // and all workers have read it
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int parts = gridDim.x;
  const int part = blockIdx.x;
  const int first_n = blockIdx.y * kTile;
  const int all_stages = static_cast<int>((p.k + S::kDepth - 1) / S::kDepth);
  const int first_stage = all_stages * part / parts;
  const int stages = all_stages * (part + 1) / parts - first_stage;
  const cooperative_groups::cluster_group cluster = cooperative_groups::this_cluster();
  constexpr int kRowFours = kTile / 4;  // sums are exchanged and stored in fours
  const int fours = static_cast<int>(p.rows) * kRowFours;
  const int share = CeilDiv(fours, parts);
  float4* const inbox =
      reinterpret_cast<float4*>(shared + S::kStages * S::kStageBytes + S::kBarrierBytes);  // [parts][share]
  const bool in_fours = OutputsInFours(p);
  // Which four columns of which row a thread stores: of the whole tile, or of this block's share within the cluster.
  const int first_four = parts == 1 ? 0 : part * share;
  const int end_four = parts == 1 ? fours : min(fours, first_four + share);
  constexpr int kAdders = 32 * kWorkers;
  float4 prior[S::kFours];
  const auto load_prior = [&] {
#pragma unroll
    for (int j = 0; j < S::kFours; ++j) {
      const int i = first_four + threadIdx.x + j * kAdders;
      if (i < end_four) prior[j] = LoadPrior(p, in_fours, i / kRowFours, first_n + i % kRowFours * 4);
    }
  };
  if (threadIdx.x == 32 * kWorkers) {
    PrefetchMap(w_map);
    PrefetchMap(x_map);
    for (int i = 0; i < S::kStages; ++i) {
      InitBarrier(full + i * 8, 2);  // weights and input arrive separately
      InitBarrier(empty + i * 8, kWorkers);
    }
    PublishBarriers();
  }
  if (parts > 1) asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");  // this block is here
  __syncthreads();

  if (warp == kWorkers) {
    if (lane == 0) {
      const auto copy_weights = [&](int stage) {
        const uint32_t barrier = full + stage % S::kStages * 8;
        const uint32_t to = ring + stage % S::kStages * S::kStageBytes;
        ArriveExpecting(barrier, S::kWeightBytes);
#pragma unroll
        for (int i = 0; i < S::kPanels; ++i) {
          CopyBox(to + i * kTile * 128, w_map, (first_stage + stage) * S::kDepth + i * kBoxCols, first_n, barrier);
        }
      };
      const int ahead = min(S::kStages, stages);
      for (int stage = 0; stage < ahead; ++stage) copy_weights(stage);
      WaitForEarlierKernels();
      for (int stage = 0; stage < stages; ++stage) {
        const uint32_t barrier = full + stage % S::kStages * 8;
        if (stage >= S::kStages) {
          WaitBarrier(empty + stage % S::kStages * 8, (stage / S::kStages - 1) & 1);
          copy_weights(stage);
        }
        const uint32_t to = ring + stage % S::kStages * S::kStageBytes + S::kWeightBytes;
        ArriveExpecting(barrier, S::kInputBytes);
#pragma unroll
        for (int i = 0; i < S::kPanels; ++i) {
          CopyBox(to + i * kRows * 128, x_map, (first_stage + stage) * S::kDepth + i * kBoxCols, 0, barrier);
        }
      }
    }
    __syncwarp();
    WaitForEarlierKernels();
  } else {
    const int side = warp % S::kSide * 16 * S::kMTiles;  // first weight row of this warp, within the tile
    const int slice = warp / S::kSide;
    for (int i = threadIdx.x; first_n < p.conv.channels && i < fours; i += kAdders) {
      const int channel = first_n + i % kRowFours * 4;
      if (channel < p.conv.channels) PrefetchConv(p.conv, i / kRowFours, channel);
    }
    WaitForEarlierKernels();  // without them there is no input to multiply with
    load_prior();
    float sums[S::kMTiles][kRows / 8][4] = {};
    for (int stage = 0; stage < stages; ++stage) {
      const uint32_t w_tile = ring + stage % S::kStages * S::kStageBytes;
      const uint32_t x_tile = w_tile + S::kWeightBytes;
      WaitBarrier(full + stage % S::kStages * 8, (stage / S::kStages) & 1);
      // Where eight columns of one row lie. Columns past k are zeros.
      const auto w_at = [&](int row, int col) {
        return w_tile + col / kBoxCols * (kTile * 128) + TileOffset<kBoxCols>(row, col % kBoxCols / 8);
      };
      const auto x_at = [&](int row, int col) {
        return x_tile + col / kBoxCols * (kRows * 128) + TileOffset<kBoxCols>(row, col % kBoxCols / 8);
      };
      const int begin = slice * S::kSliceDepth;
      if constexpr (kRows == 8) {
#pragma unroll
        for (int step = 0; step < S::kSliceDepth; step += 32) {
          const int col = begin + step;
          uint32_t a[2][4], b[4];
          LoadMatrices(b, x_at(lane % 8, col + lane / 8 * 8));
#pragma unroll
          for (int i = 0; i < 2; ++i) LoadMatrices(a[i], w_at(side + lane % 16, col + i * 16 + lane / 16 * 8));
          Mma(sums[0][0], a[0], b[0], b[1]);
          Mma(sums[0][0], a[1], b[2], b[3]);
        }
      } else {
#pragma unroll
        for (int step = 0; step < S::kSliceDepth; step += 16) {
          const int col = begin + step;
          uint32_t a[S::kMTiles][4];
#pragma unroll
          for (int m = 0; m < S::kMTiles; ++m) {
            LoadMatrices(a[m], w_at(side + m * 16 + lane % 16, col + lane / 16 * 8));
          }
#pragma unroll
          for (int pair = 0; pair < kRows / 16; ++pair) {
            uint32_t b[4];
            LoadMatrices(b, x_at(pair * 16 + lane / 16 * 8 + lane % 8, col + lane / 8 % 2 * 8));
#pragma unroll
            for (int m = 0; m < S::kMTiles; ++m) {
              Mma(sums[m][pair * 2], a[m], b[0], b[1]);
              Mma(sums[m][pair * 2 + 1], a[m], b[2], b[3]);
            }
          }
        }
      }
      __syncwarp();
      if (lane == 0) Arrive(empty + stage % S::kStages * 8);
    }
    // The slices' sums, [slice][row][weight row], take the ring's place.
    asm volatile("bar.sync 1, %0;" ::"n"(32 * kWorkers) : "memory");
    float* const mine = reinterpret_cast<float*>(shared) + slice * kRows * S::kSumPitch + side;
#pragma unroll
    for (int m = 0; m < S::kMTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kRows / 8; ++n) {
        float* const at = mine + (n * 8 + lane % 4 * 2) * S::kSumPitch + m * 16 + lane / 4;
        at[0] = sums[m][n][0];
        at[S::kSumPitch] = sums[m][n][1];
        at[8] = sums[m][n][2];
        at[S::kSumPitch + 8] = sums[m][n][3];
      }
    }
    if (parts > 1) asm volatile("barrier.cluster.wait.aligned;" ::: "memory");  // all blocks are here
    asm volatile("bar.sync 1, %0;" ::"n"(32 * kWorkers) : "memory");
#pragma unroll
    for (int j = 0; j < S::kFours; ++j) {
      const int i = threadIdx.x + j * kAdders;
      if (i >= fours) break;
      const int row = i / kRowFours;
      const int col = i % kRowFours * 4;
      const float* const at = reinterpret_cast<const float*>(shared) + row * S::kSumPitch + col;
      float4 sum = *reinterpret_cast<const float4*>(at);
#pragma unroll
      for (int s = 1; s < S::kSlices; ++s) {
        sum = Add(sum, *reinterpret_cast<const float4*>(at + s * kRows * S::kSumPitch));
      }
      if (parts > 1) {
        cluster.map_shared_rank(inbox, i / share)[part * share + i % share] = sum;
      } else {
        StoreOutput(p, in_fours, row, first_n + col, prior[j], sum);
      }
    }
  }
  if (parts == 1) return;
  if (warp == kWorkers) asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
  cluster.sync();
  if (warp == kWorkers) return;
    // Each block of the cluster adds up its share of the tile.
#pragma unroll
  for (int j = 0; j < S::kFours; ++j) {
    const int i = first_four + threadIdx.x + j * kAdders;
    if (i >= end_four) break;
    float4 sum{0.f, 0.f, 0.f, 0.f};
    for (int other = 0; other < parts; ++other) sum = Add(sum, inbox[other * share + i - first_four]);
    StoreOutput(p, in_fours, i / kRowFours, first_n + i % kRowFours * 4, prior[j], sum);
  }
#endif
}

// Measured on an H200: the narrowest tiles of which two blocks an SM hold all do best; a cluster's exchange
// pays where there would be too few blocks, and where k is so long that few blocks have too little under way.
SkinnyCut ChooseCut(const MatMulParams& p, const Target& target) {
  const int n = static_cast<int>(p.n);
  const int most = 2 * target.multiprocessors;
  SkinnyCut cut{.tile = n <= 16 * most ? 16 : n <= 32 * most ? 32 : 64, .cluster = 1};
  if (p.rows > 32) cut.tile = 32;
  const int blocks = CeilDiv(n, cut.tile);
  const int stages = CeilDiv(static_cast<int>(p.k), 256);
  if (blocks <= target.multiprocessors && stages >= 32) cut.cluster = 2;
  while (blocks * cut.cluster * 2 <= target.multiprocessors && cut.cluster < kMaxCluster && cut.cluster * 2 <= stages) {
    cut.cluster *= 2;
  }
  return cut;
}

template <int kRows, int kTile>
cudaError_t LaunchTile(const MatMulParams& p, const Target& target, int cluster) {
  const dim3 grid(cluster, CeilDiv(static_cast<int>(p.n), kTile));
  CUtensorMap w_map, x_map;
  cudaError_t error = MakeTensorMap(p.w, p.n, p.k, p.k, kTile, Fetch::kBox, &w_map);
  if (error == cudaSuccess) error = MakeTensorMap(p.in, p.rows, p.k, p.in_stride, kRows, Fetch::kBox, &x_map);
  if (error != cudaSuccess) return error;
  return LaunchClusters(target, SkinnyKernel<kRows, kTile>, grid, dim3(kThreads), Shape<kRows, kTile>::kBytes, cluster,
                        p, w_map, x_map);
}

template <int kRows>
cudaError_t LaunchRows(const MatMulParams& p, const Target& target, SkinnyCut cut) {
  if (cut.tile == 0) cut = ChooseCut(p, target);
  if constexpr (kRows < 64) {
    if (cut.tile == 64) return LaunchTile<kRows, 64>(p, target, cut.cluster);
    if (cut.tile == 16) return LaunchTile<kRows, 16>(p, target, cut.cluster);
  }
  return LaunchTile<kRows, 32>(p, target, cut.cluster);
}

}  // namespace

bool SkinnyMatMulServes(const MatMulParams& p, const Target& target) {
  return target.hopper && p.rows <= (p.n * p.k < (1 << 20) ? 64 : kMaxRows) && p.k % 8 == 0 && p.in_stride % 8 == 0 &&
         reinterpret_cast<uintptr_t>(p.w) % 16 == 0 && reinterpret_cast<uintptr_t>(p.in) % 16 == 0;
}

cudaError_t SkinnyMatMul(const MatMulParams& params, const Target& target, SkinnyCut cut) {
  if (params.rows <= 8) return LaunchRows<8>(params, target, cut);
  if (params.rows <= 16) return LaunchRows<16>(params, target, cut);
  if (params.rows <= 32) return LaunchRows<32>(params, target, cut);
  return LaunchRows<64>(params, target, cut);
}

}  // namespace batucada::cuda
