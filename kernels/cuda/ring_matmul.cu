#include "kernels/cuda/ring_matmul.h"

#include <algorithm>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/matmul_output.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_map.h"

namespace batucada::cuda {
namespace {

constexpr int kMaxRows = 16;  // beyond, MediumMatMul is faster, or cuBLASLt where it does not serve
constexpr int kWorkers = 4;   // warps that multiply; one more issues TMA copies
constexpr int kThreads = 32 * (kWorkers + 1);
[[maybe_unused]] constexpr int kAdders = 32 * kWorkers;
constexpr int kMaxStages = 24;    // in the ring
constexpr int kHeadBytes = 1024;  // barriers; boxes lie at multiples of 1024 behind them

// A block multiplies kTile weight rows with up to kRows input rows.
template <int kRows, int kTile>
struct Shape {
  static constexpr int kSides = kTile == 64 ? 2 : 1;  // warps side by side along the tile
  static constexpr int kPanels = kWorkers / kSides;   // of 64 columns a stage: a warp multiplies half of one, or all
  static constexpr int kDepth = kPanels * kBoxCols;   // columns of a stage
  static constexpr int kWeightBytes = kTile * kDepth * 2;          // of a stage
  static __host__ __device__ constexpr int InputPitch(int rows) {  // bytes: boxes start at 512s, whatever their rows
    return CeilDiv(rows * kDepth * 2, 512) * 512;
  }
  static constexpr int kSumPitch = kTile + 4;  // floats
  static constexpr int kSumBytes = kPanels * kRows * kSumPitch * 4;
};

// Block (part of k, tile of weight rows).
template <int kRows, int kTile>
__global__ void __launch_bounds__(kThreads, 3)
    RingKernel(const __grid_constant__ MatMulParams p, const __grid_constant__ CUtensorMap w_map,
               const __grid_constant__ CUtensorMap x_map, int slots) {
#if __CUDA_ARCH__ >= 900
  using S = Shape<kRows, kTile>;
  extern __shared__ char unaligned[];
  LetNextKernelStart();
  char* const shared = unaligned + (1024 - SharedAddress(unaligned) % 1024) % 1024;
  const int rows = static_cast<int>(p.rows);
  const int input_bytes = rows * S::kDepth * 2;                 // of a stage
  const uint32_t weights_there = SharedAddress(shared);         // barriers: a stage's weights have arrived,
  const uint32_t input_there = weights_there + 8 * kMaxStages;  // its input,
  const uint32_t empty = input_there + 8 * kMaxStages;          // and all workers have read both
  const uint32_t weights = weights_there + kHeadBytes;          // [slots][panels][kTile][64]
  const uint32_t inputs = weights + slots * S::kWeightBytes;    // [slots][panels][rows][64]
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int parts = gridDim.x;
  const int part = blockIdx.x;
  const int first_n = blockIdx.y * kTile;
  const int all_stages = CeilDiv(static_cast<int>(p.k), S::kDepth);
  const int first_stage = all_stages * part / parts;
  const int stages = all_stages * (part + 1) / parts - first_stage;
  const int ahead = min(slots, stages);
  const auto copy_weights = [&](int stage, int slot) {
    ArriveExpecting(weights_there + slot * 8, S::kWeightBytes);
    CopyPanels(weights + slot * S::kWeightBytes, w_map, first_n, (first_stage + stage) * S::kPanels,
               weights_there + slot * 8);
  };
  const auto copy_input = [&](int stage, int slot) {
    ArriveExpecting(input_there + slot * 8, input_bytes);
    CopyPanels(inputs + slot * S::InputPitch(rows), x_map, 0, (first_stage + stage) * S::kPanels,
               input_there + slot * 8);
  };
  if (threadIdx.x == kAdders) {
    for (int i = 0; i < slots; ++i) {
      InitBarrier(weights_there + i * 8, 1);
      InitBarrier(input_there + i * 8, 1);
      InitBarrier(empty + i * 8, kWorkers);
    }
    PublishBarriers();
  }
  __syncthreads();

  if (warp == kWorkers) {
    if (lane == 0) FeedRing<1>(stages, slots, ahead, weights_there, empty, copy_weights, copy_input);
    __syncwarp();
    return WaitForEarlierKernels();
  }

  constexpr int kRowFours = kTile / 4;                         // sums are stored in fours
  constexpr int kFours = CeilDiv(kRows * kTile / 4, kAdders);  // of a tile, a thread
  const int fours = rows * kRowFours;
  // What a step of the convolution reads is nobody else's in this pass: all on its way before the wait.
  ConvAhead conv;
  const bool conv_ahead = kFours == 1 && threadIdx.x < fours && first_n + threadIdx.x % kRowFours * 4 < p.conv.channels;
  if (conv_ahead) conv.Load(p.conv, threadIdx.x / kRowFours, first_n + threadIdx.x % kRowFours * 4);
  WaitForEarlierKernels();  // without them there is no input to multiply with
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < ahead; ++stage) copy_input(stage, stage);
  }
  __syncwarp();
  const bool in_fours = OutputsInFours(p);
  float4 prior[kFours];
#pragma unroll
  for (int j = 0; j < kFours; ++j) {
    const int i = threadIdx.x + j * kAdders;
    if (i < fours) prior[j] = LoadPrior(p, in_fours, i / kRowFours, first_n + i % kRowFours * 4);
  }
  constexpr int kMTiles = kTile / 16 / S::kSides, kNTiles = kRows / 8;  // of 16 weight rows and 8 input rows, a warp
  const int side = warp % S::kSides * (kTile / S::kSides);  // first weight row of this warp, within the tile
  const int panel = warp / S::kSides;
  float sums[kMTiles][kNTiles][4] = {};
  const int panels = static_cast<int>(p.k) / kBoxCols - first_stage * S::kPanels;
  for (int stage = 0, slot = 0, parity = 0; stage < stages; ++stage) {
    WaitBarrier(input_there + slot * 8, parity);
    WaitBarrier(weights_there + slot * 8, parity);
    if (stage * S::kPanels + panel < panels) {  // what lies behind k is zeros
      const uint32_t w_panel = weights + slot * S::kWeightBytes + panel * (kTile * 128);
      const uint32_t x_panel = inputs + slot * S::InputPitch(rows) + panel * (rows * 128);
#pragma unroll
      for (int pack = 0; pack < kBoxCols / 8; pack += 4) {
        uint32_t b[kNTiles][4];
#pragma unroll
        for (int n = 0; n < kNTiles; ++n) {  // rows that are not there: the last once more, and not stored
          const uint32_t row = x_panel + min(n * 8 + lane % 8, rows - 1) * 128;
          LoadMatrices(b[n], row + (((pack + lane / 8) ^ (row / 128 % 8)) << 4));
        }
#pragma unroll
        for (int m = 0; m < kMTiles; ++m) {
          uint32_t a[2][4];
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            LoadMatrices(a[i], w_panel + TileOffset<kBoxCols>(side + m * 16 + lane % 16, pack + i * 2 + lane / 16));
          }
#pragma unroll
          for (int n = 0; n < kNTiles; ++n) {
            Mma(sums[m][n], a[0], b[n][0], b[n][1]);
            Mma(sums[m][n], a[1], b[n][2], b[n][3]);
          }
        }
      }
    }
    __syncwarp();
    if (lane == 0) Arrive(empty + slot * 8);
    if (++slot == slots) {
      slot = 0;
      parity ^= 1;
    }
  }
  // The panels' sums, [panel][row][weight row], take the ring's place.
  asm volatile("bar.sync 1, %0;" ::"n"(kAdders) : "memory");
  float* const all = reinterpret_cast<float*>(shared + kHeadBytes);
#pragma unroll
  for (int m = 0; m < kMTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kNTiles; ++n) {
      float* const at = all + (panel * kRows + n * 8 + lane % 4 * 2) * S::kSumPitch + side + m * 16 + lane / 4;
      at[0] = sums[m][n][0];
      at[S::kSumPitch] = sums[m][n][1];
      at[8] = sums[m][n][2];
      at[S::kSumPitch + 8] = sums[m][n][3];
    }
  }
  asm volatile("bar.sync 1, %0;" ::"n"(kAdders) : "memory");
  const int first_row = p.output == MatMulOutput::kPartsF32 ? part * rows : 0;
#pragma unroll
  for (int j = 0; j < kFours; ++j) {
    const int i = threadIdx.x + j * kAdders;
    if (i >= fours) break;
    const int row = i / kRowFours;
    const int col = i % kRowFours * 4;
    const float* const at = all + row * S::kSumPitch + col;
    float4 sum = *reinterpret_cast<const float4*>(at);
#pragma unroll
    for (int i = 1; i < S::kPanels; ++i) {
      sum = Add(sum, *reinterpret_cast<const float4*>(at + i * kRows * S::kSumPitch));
    }
    if (conv_ahead) {
      conv.Step(p.conv, row, first_n + col, {Pack2(sum.x, sum.y), Pack2(sum.z, sum.w)});
    } else {
      StoreOutput(p, in_fours, first_row + row, first_n + col, prior[j], sum);
    }
  }
#endif
}

template <int kRows, int kTile>
int BlockBytes(const MatMulParams& p, int slots) {
  using S = Shape<kRows, kTile>;
  const int stage_bytes = S::kWeightBytes + S::InputPitch(static_cast<int>(p.rows));
  return kHeadBytes + 1024 + std::max(slots * stage_bytes, S::kSumBytes);
}

// As many as are asked for and fit; one less where all blocks then find a place at once, and otherwise not.
template <int kRows, int kTile>
int ChooseSlots(const MatMulParams& p, const Target& target, const RingCut& cut) {
  constexpr int kShared = 227 * 1024, kReserved = 1024;  // bytes of a multiprocessor, and of them per block
  const int blocks = CeilDiv(static_cast<int>(p.n), kTile) * cut.parts;
  const auto places = [&](int slots) {
    return target.multiprocessors * (kShared / (BlockBytes<kRows, kTile>(p, slots) + kReserved));
  };
  int slots = std::max(cut.slots, 1);
  while (places(slots) == 0) --slots;
  return slots > 1 && blocks > places(slots) && blocks <= places(slots - 1) ? slots - 1 : slots;
}

template <int kRows, int kTile>
cudaError_t LaunchTile(const MatMulParams& p, const Target& target, const RingCut& cut) {
  using S = Shape<kRows, kTile>;
  const int stages = CeilDiv(CeilDiv(static_cast<int>(p.k), S::kDepth), cut.parts);
  const int slots = std::min({ChooseSlots<kRows, kTile>(p, target, cut), stages, kMaxStages});
  CUtensorMap w_map, x_map;
  cudaError_t error = MakePanelMap(p.w, p.n, p.k, p.k, kTile, S::kPanels, &w_map);
  if (error == cudaSuccess) {
    error = MakePanelMap(p.in, p.rows, p.k, p.in_stride, static_cast<int>(p.rows), S::kPanels, &x_map);
  }
  if (error != cudaSuccess) return error;
  return Launch(target, RingKernel<kRows, kTile>, dim3(cut.parts, CeilDiv(static_cast<int>(p.n), kTile)),
                dim3(kThreads), BlockBytes<kRows, kTile>(p, slots), p, w_map, x_map, slots);
}

template <int kRows>
cudaError_t LaunchRows(const MatMulParams& p, const Target& target, const RingCut& cut) {
  if (cut.tile == 16) return LaunchTile<kRows, 16>(p, target, cut);
  if (cut.tile == 32) return LaunchTile<kRows, 32>(p, target, cut);
  return LaunchTile<kRows, 64>(p, target, cut);
}

}  // namespace

bool RingMatMulServes(const MatMulParams& p, const Target& target) {
  return target.hopper && p.rows <= kMaxRows && p.k % kBoxCols == 0 && p.in_stride % 8 == 0 &&
         reinterpret_cast<uintptr_t>(p.w) % 16 == 0 && reinterpret_cast<uintptr_t>(p.in) % 16 == 0;
}

// Measured on an H200 in whole steps of several models. Stages of 16 KB, where their blocks come to one and a half for
// each multiprocessor; wider tiles, which read the input less often, where theirs come to almost two.
RingCut ChooseRingCut(const MatMulParams& p, const Target& target) {
  const int n = static_cast<int>(p.n);
  const int most_parts = p.output == MatMulOutput::kPartsF32 ? kMostParts : 1;
  const int enough = 3 * target.multiprocessors / 2;
  RingCut cut{.tile = 16, .slots = 6};
  if (CeilDiv(n, 32) * most_parts >= enough) cut = {.tile = 32, .slots = 4};
  if (CeilDiv(n, 64) * 11 >= 20 * target.multiprocessors) cut = {.tile = 64, .slots = p.rows <= 8 ? 6 : 5};
  const int stages = CeilDiv(static_cast<int>(p.k), 256);
  const auto blocks = [&] { return CeilDiv(n, cut.tile) * cut.parts; };
  while (cut.parts < most_parts && blocks() < enough && 2 * cut.parts <= stages) cut.parts *= 2;
  return cut;
}

cudaError_t RingMatMul(const MatMulParams& params, const Target& target, const RingCut& cut) {
  return params.rows <= 8 ? LaunchRows<8>(params, target, cut) : LaunchRows<16>(params, target, cut);
}

cudaError_t RingMatMul(const MatMulParams& params, const Target& target) {
  return RingMatMul(params, target, ChooseRingCut(params, target));
}

}  // namespace batucada::cuda
