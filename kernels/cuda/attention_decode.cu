#include "kernels/cuda/attention_decode.h"

#include "kernels/cuda/mma.cuh"

namespace batucada::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kKeys = 16 * kWarps;  // of a tile: 16 a warp
constexpr int kMostGroups = 3;      // of eight query heads a block packs; what registers have room for
constexpr int kMaxSplits = 64;
constexpr int kInvariantTiles = 8;  // of a split where the number of rows may not decide

// Head dimension, groups of eight query heads, and how many tiles are on their way from memory at once.
template <int kDim, int kGroups, int kStageCount>
struct Shape {
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr int kStages = kStageCount;
  static constexpr int kHeads = 8 * kGroups;
  static constexpr int kRingBytes = 2 * kStages * kTileBytes;
  static constexpr int kMergeBytes = kWarps * kHeads * (kDim + 2) * 4;  // what the warps hand over at the end
  static constexpr int kBytes = kRingBytes > kMergeBytes ? kRingBytes : kMergeBytes;
};

// A part of one row's result for `heads` query heads, not yet divided by its sum: values [heads, kDim], then for every
// head the maximum score (in powers of two) and the sum.
__host__ __device__ constexpr int PartFloats(int heads, int dim) { return heads * (dim + 2); }

// What stands beside each other in a tile's row: kDim dimensions of one K/V head, or half as many of each head of a
// pair.
template <int kDim, bool kPaired>
__device__ __forceinline__ void CopyTile(const AttentionDecodeParams& p, int sequence, int kv_head, int position,
                                         int last, uint32_t k_tile, uint32_t v_tile) {
  constexpr int kPacks = kDim / 8;
  constexpr int kHeadPacks = kPaired ? kPacks / 2 : kPacks;
  constexpr int kRowsAtOnce = kThreads / kPacks;
  const int pack = threadIdx.x % kPacks;
  const int head = kv_head + pack / kHeadPacks;
#pragma unroll
  for (int i = 0; i < kKeys / kRowsAtOnce; ++i) {
    const int key = threadIdx.x / kPacks + i * kRowsAtOnce;
    const int64_t offset =
        p.blocks.Offset(sequence, min(position + key, last), head, kHeadPacks * 8) + pack % kHeadPacks * 8;
    CopyAsync(k_tile + TileOffset<kDim>(key, pack), p.blocks.k + offset);
    CopyAsync(v_tile + TileOffset<kDim>(key, pack), p.blocks.v + offset);
  }
}

// Adds the parts of one row and K/V head, `pitch` floats apart, into `to`; all threads of the block. `weights` is
// scratch in shared memory for 2·heads·count floats.
template <int kDim, int kHeads>
__device__ __forceinline__ void AddParts(const float* parts, int count, int heads, float* weights, bf16* to,
                                         int head_stride) {
  constexpr int kPitch = PartFloats(kHeads, kDim);
  float* const maxima = weights;
  float* const sums = weights + heads * count;
  for (int i = threadIdx.x; i < heads * count; i += kThreads) {
    const float2 max_sum =
        __ldcg(reinterpret_cast<const float2*>(parts + i % count * kPitch + kHeads * kDim) + i / count);
    maxima[i] = max_sum.x;
    sums[i] = max_sum.y;
  }
  __syncthreads();
  float weight[CeilDiv(kHeads * kMaxSplits, kThreads)];
#pragma unroll
  for (int round = 0; round < CeilDiv(kHeads * kMaxSplits, kThreads); ++round) {
    const int i = threadIdx.x + round * kThreads;
    if (i >= heads * count) break;
    const int head = i / count * count;
    float top = -INFINITY, total = 0.f;
    for (int part = 0; part < count; ++part) top = fmaxf(top, maxima[head + part]);
    for (int part = 0; part < count; ++part) total += Exp2(maxima[head + part] - top) * sums[head + part];
    weight[round] = Exp2(maxima[i] - top) / total;
  }
  __syncthreads();
#pragma unroll
  for (int round = 0; round < CeilDiv(kHeads * kMaxSplits, kThreads); ++round) {
    const int i = threadIdx.x + round * kThreads;
    if (i < heads * count) weights[i] = weight[round];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < heads * kDim / 4; i += kThreads) {
    const float* const weight_of = weights + i / (kDim / 4) * count;
    float4 sum{0.f, 0.f, 0.f, 0.f};
#pragma unroll 8
    for (int part = 0; part < count; ++part) {
      const float4 v = __ldcg(reinterpret_cast<const float4*>(parts + part * kPitch) + i);
      const float w = weight_of[part];
      sum = {sum.x + w * v.x, sum.y + w * v.y, sum.z + w * v.z, sum.w + w * v.w};
    }
    uint32_t* const out = reinterpret_cast<uint32_t*>(to + i / (kDim / 4) * head_stride) + i % (kDim / 4) * 2;
    out[0] = Pack2(sum.x, sum.y);
    out[1] = Pack2(sum.z, sum.w);
  }
}

// Block (split, K/V head or pair of them and chunk of its query heads, row). A pair is one head of twice the width
// whose queries are zero where the other one's keys stand: K and V are read once for both.
template <int kDim, int kGroups, int kStages, bool kPaired>
__global__ void __launch_bounds__(kThreads)
    DecodeKernel(const __grid_constant__ AttentionDecodeParams p, float scale, float* parts, uint32_t* done) {
  using S = Shape<kDim, kGroups, kStages>;
  constexpr int kHeads = S::kHeads;
  extern __shared__ __align__(128) char shared[];
  LetNextKernelStart();
  const int row = blockIdx.z;
  const int own_heads = p.heads / p.kv_heads;  // query heads of one K/V head
  const int group_heads = kPaired ? 2 * own_heads : own_heads;
  const int chunks = CeilDiv(group_heads, kHeads);
  const int kv_group = blockIdx.y / chunks;
  const int chunk_head = blockIdx.y % chunks * kHeads;  // first query head of the chunk, within the group
  const int heads = min(kHeads, group_heads - chunk_head);
  const int first_head = kv_group * group_heads + chunk_head;
  const int at = p.row_of == nullptr ? row : p.row_of[row];
  const int sequence = p.row_of == nullptr ? row : p.row_sequence[at];
  const int last = p.positions[at];
  const int oldest = max(0, last - p.window + 1);
  const int all_tiles = CeilDiv(last + 1 - oldest, kKeys);
  const int split_tiles = CeilDiv(all_tiles, static_cast<int>(gridDim.x));
  const int splits = CeilDiv(all_tiles, split_tiles);  // that have work
  if (blockIdx.x >= splits) return WaitForEarlierKernels();
  const int first_tile = blockIdx.x * split_tiles;
  const int tiles = min(split_tiles, all_tiles - first_tile);
  const int first_key = oldest + first_tile * kKeys;

  const uint32_t ring = SharedAddress(shared);
  const auto copy = [&](int tile) {
    if (tile < tiles) {
      const uint32_t k_tile = ring + tile % S::kStages * 2 * S::kTileBytes;
      CopyTile<kDim, kPaired>(p, sequence, kPaired ? 2 * kv_group : kv_group, first_key + tile * kKeys, last, k_tile,
                              k_tile + S::kTileBytes);
    }
    CommitCopies();
  };
  // Positions and tables stand for the whole pass, and old tokens were written by an earlier one; only the tile with
  // the row's own token, which comes last, waits for the kernel that writes it.
  const int safe_tiles =
      p.row_of != nullptr || p.drafts ? 0 : min(S::kStages - 1, first_tile + tiles == all_tiles ? tiles - 1 : tiles);
  for (int tile = 0; tile < safe_tiles; ++tile) copy(tile);
  WaitForEarlierKernels();
  for (int tile = safe_tiles; tile < S::kStages - 1; ++tile) copy(tile);

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  constexpr int kSteps = kDim / 16;
  constexpr int kHeadSteps = kPaired ? kSteps / 2 : kSteps;
  uint32_t q[kGroups][kSteps][2];
#pragma unroll
  for (int eight = 0; eight < kGroups; ++eight) {
    const int head = eight * 8 + g;
    const int half = kPaired && chunk_head + head >= own_heads ? 1 : 0;
    const uint32_t* from =
        reinterpret_cast<const uint32_t*>(p.qkv + row * p.stride + (first_head + head) * (kHeadSteps * 16)) + t;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool own = head < heads && step / kHeadSteps == half;
      q[eight][step][0] = own ? from[step % kHeadSteps * 8] : 0u;
      q[eight][step][1] = own ? from[step % kHeadSteps * 8 + 4] : 0u;
    }
  }

  float out[kGroups][kDim / 16][4] = {};  // [kDim, heads] of a warp, transposed
  float max[kGroups][2], sum[kGroups][2];
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    max[group][0] = max[group][1] = -INFINITY;
    sum[group][0] = sum[group][1] = 0.f;
  }

  for (int tile = 0; tile < tiles; ++tile) {
    WaitCopies<S::kStages - 2>();
    __syncthreads();  // the tile is there for all warps, and all have left the stage that is filled next
    copy(tile + S::kStages - 1);
    const uint32_t k_tile = ring + tile % S::kStages * 2 * S::kTileBytes;
    const uint32_t v_tile = k_tile + S::kTileBytes;
    const int key = first_key + tile * kKeys + warp * 16;  // position
    if (key > last) continue;

    float s[kGroups][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t a[4];
      LoadMatrices(a, k_tile + TileOffset<kDim>(warp * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
      for (int group = 0; group < kGroups; ++group) Mma(s[group], a, q[group][step][0], q[group][step][1]);
    }
    uint32_t probabilities[kGroups][2];
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {  // heads 2t and 2t + 1 of the group
        float& low = s[group][j];
        float& high = s[group][j + 2];
        low = key + g <= last ? low * scale : -INFINITY;
        high = key + g + 8 <= last ? high * scale : -INFINITY;
        float now = fmaxf(max[group][j], fmaxf(low, high));
#pragma unroll
        for (int lanes = 4; lanes < 32; lanes *= 2) now = fmaxf(now, __shfl_xor_sync(0xffffffffu, now, lanes));
        const float keep = Exp2(max[group][j] - now);
        max[group][j] = now;
        low = Exp2(low - now);
        high = Exp2(high - now);
        sum[group][j] = sum[group][j] * keep + low + high;
#pragma unroll
        for (int i = 0; i < kDim / 16; ++i) {
          out[group][i][j] *= keep;
          out[group][i][j + 2] *= keep;
        }
      }
      probabilities[group][0] = TransposeMatrix(Pack2(s[group][0], s[group][1]));
      probabilities[group][1] = TransposeMatrix(Pack2(s[group][2], s[group][3]));
    }
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i) {
      uint32_t a[4];
      LoadMatricesTransposed(a, v_tile + TileOffset<kDim>(warp * 16 + lane / 16 * 8 + lane % 8, i * 2 + lane / 8 % 2));
#pragma unroll
      for (int group = 0; group < kGroups; ++group)
        Mma(out[group][i], a, probabilities[group][0], probabilities[group][1]);
    }
  }

  // The warps hand over what they have, as parts in shared memory.
  WaitCopies<0>();
  __syncthreads();
  constexpr int kPart = PartFloats(kHeads, kDim);
  float* const warp_parts = reinterpret_cast<float*>(shared);
  float* const mine = warp_parts + warp * kPart;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int head = group * 8 + t * 2 + j;
      float total = sum[group][j];
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) total += __shfl_xor_sync(0xffffffffu, total, lanes);
      if (g == 0) {
        mine[kHeads * kDim + head * 2] = max[group][j];
        mine[kHeads * kDim + head * 2 + 1] = total;
      }
#pragma unroll
      for (int i = 0; i < kDim / 16; ++i) {
        mine[head * kDim + i * 16 + g] = out[group][i][j];
        mine[head * kDim + i * 16 + 8 + g] = out[group][i][j + 2];
      }
    }
  }
  __syncthreads();
  bf16* const to = p.out + row * p.out_stride + static_cast<int64_t>(first_head) * p.out_head_stride;
  const int64_t cell = static_cast<int64_t>(row) * gridDim.y + blockIdx.y;
  float* const cell_parts = parts + cell * gridDim.x * kPart;
  for (int i = threadIdx.x; i < heads * kDim; i += kThreads) {
    const int head = i / kDim;
    const int dim = i % kDim;
    float top = -INFINITY;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) top = fmaxf(top, warp_parts[w * kPart + kHeads * kDim + head * 2]);
    float value = 0.f, total = 0.f;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      const float weight = Exp2(warp_parts[w * kPart + kHeads * kDim + head * 2] - top);
      total += weight * warp_parts[w * kPart + kHeads * kDim + head * 2 + 1];
      value += weight * warp_parts[w * kPart + i];
    }
    if (splits == 1) {
      to[head * p.out_head_stride + dim] = __float2bfloat16_rn(value / total);
    } else {
      float* const part = cell_parts + blockIdx.x * kPart;
      part[i] = value;
      if (dim == 0) {
        part[kHeads * kDim + head * 2] = top;
        part[kHeads * kDim + head * 2 + 1] = total;
      }
    }
  }
  if (splits == 1) return;

  // The last block to get here adds up what all have left.
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last = atomicAdd(done + cell, 1) == static_cast<uint32_t>(splits - 1);
    if (is_last) done[cell] = 0;  // ready for the next launch
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  AddParts<kDim, kHeads>(cell_parts, splits, heads, warp_parts, to, p.out_head_stride);
}

template <int kDim, int kGroups, int kStages, bool kPaired>
cudaError_t LaunchDecode(const AttentionDecodeParams& p, const Target& target, int cells_per_row, int splits) {
  using S = Shape<kDim, kGroups, kStages>;
  const float scale = kLog2E / sqrtf(static_cast<float>(p.head_dim));
  return Launch(target, DecodeKernel<kDim, kGroups, kStages, kPaired>, dim3(splits, cells_per_row, p.rows),
                dim3(kThreads), S::kBytes, p, scale, static_cast<float*>(target.workspace), target.counters);
}

template <int kDim, int kGroups, bool kPaired>
cudaError_t LaunchGroups(const AttentionDecodeParams& p, const Target& target) {
  constexpr int kStages = kDim == 64 ? 4 : 3;
  using S = Shape<kDim, kGroups, kStages>;
  const int groups = kPaired ? p.kv_heads / 2 : p.kv_heads;
  const int cells_per_row = groups * CeilDiv(p.heads / groups, S::kHeads);
  const int cells = p.rows * cells_per_row;
  // Enough blocks to keep every SM's loads going, whatever the context: the launch may be part of a CUDA graph.
  const int64_t capacity = static_cast<int64_t>(p.blocks.table_width) << p.blocks.block_shift;
  const int64_t keys = p.window < capacity ? p.window : capacity;
  const int most = CeilDiv(static_cast<int>(keys), kKeys);
  // As many blocks as fit beside each other keep enough loads under way; more parts only cost more to add up.
  constexpr int kBeside = 2 * S::kBytes <= 224 * 1024 ? 2 : 1;
  const bool fixed = p.splits > 0 || target.batch_invariant;
  int splits = p.splits > 0             ? p.splits
               : target.batch_invariant ? CeilDiv(most, kInvariantTiles)
                                        : kBeside * target.multiprocessors / cells;
  const int worthwhile = CeilDiv(most, fixed ? 1 : 2);  // two tiles a split at least
  splits = splits < worthwhile ? splits : worthwhile;
  if (splits > kMaxSplits) splits = kMaxSplits;
  const size_t cell_bytes = PartFloats(S::kHeads, kDim) * sizeof(float);
  const int64_t fit = static_cast<int64_t>(target.workspace_bytes / (cell_bytes * cells));
  if (target.batch_invariant && p.rows > 1 && splits > 1 && (cells > target.num_counters || splits > fit)) {
    AttentionDecodeParams half = p;
    half.rows = p.rows / 2;
    const cudaError_t error = LaunchGroups<kDim, kGroups, kPaired>(half, target);
    return error != cudaSuccess ? error : LaunchGroups<kDim, kGroups, kPaired>(p.RowsFrom(half.rows), target);
  }
  if (cells > target.num_counters || fit < 2) splits = 1;
  if (splits > fit) splits = static_cast<int>(fit);
  if (splits < 1) splits = 1;
  if constexpr (kDim == 64) {
    // Two blocks an SM for the whole launch: the shared memory a third would need holds more of their tiles.
    if (splits == 1 && cells <= 2 * target.multiprocessors) {
      return LaunchDecode<kDim, kGroups, 6, kPaired>(p, target, cells_per_row, splits);
    }
  }
  return LaunchDecode<kDim, kGroups, kStages, kPaired>(p, target, cells_per_row, splits);
}

template <int kDim, bool kPaired>
cudaError_t LaunchDim(const AttentionDecodeParams& p, const Target& target) {
  const int own_heads = p.heads / (kPaired ? p.kv_heads / 2 : p.kv_heads);
  constexpr int kMost = kDim > 128 ? 2 : kMostGroups;
  // K and V are read once for each chunk of heads; none is larger than it must be.
  const int chunks = CeilDiv(own_heads, 8 * kMost);
  const int groups = CeilDiv(CeilDiv(own_heads, chunks), 8);
  if (groups == 1) return LaunchGroups<kDim, 1, kPaired>(p, target);
  if constexpr (kMost == 3) {
    if (groups == 3) return LaunchGroups<kDim, 3, kPaired>(p, target);
  }
  return LaunchGroups<kDim, 2, kPaired>(p, target);
}

}  // namespace

cudaError_t AttentionDecode(const AttentionDecodeParams& params, const Target& target) {
  if (params.rows == 0) return cudaSuccess;
  if (params.paired_values) {
    switch (params.head_dim) {
      case 64: return LaunchDim<128, true>(params, target);
      case 128: return LaunchDim<256, true>(params, target);
      default: return cudaErrorInvalidValue;
    }
  }
  switch (params.head_dim) {
    case 64: return LaunchDim<64, false>(params, target);
    case 128: return LaunchDim<128, false>(params, target);
    case 256: return LaunchDim<256, false>(params, target);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace batucada::cuda
