// The copying warp of AttentionPrefillHopper: fills the rings of queries, keys and values ahead of the warpgroups that
// multiply. TMA moves whole boxes; tiles of which a part must not be read (before the window: those blocks
// may hold anything; past the chunk's end) and those that lie half in blocks are copied row by row.
#pragma once

#include <cuda.h>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/attention_prefill_tiles.cuh"
#include "kernels/cuda/mma.cuh"

namespace batucada::cuda {

constexpr int kActBoxRows = 64;

// What TMA reads.
struct AttentionMaps {
  CUtensorMap qkv;       // boxes of kActBoxRows rows
  CUtensorMap k_blocks;  // rows of one head of one token
  CUtensorMap v_blocks;
  int32_t block_box_rows;  // 0: blocks cannot be read in boxes
};

#if __CUDA_ARCH__ >= 900

// Copies `kRows` rows of kDim elements to panels, by one warp; row r comes from source(r).
template <int kDim, int kRows, typename Source>
__device__ __forceinline__ void CopyRows(uint32_t to, Source source) {
  constexpr int kPacks = kDim / 8;
  constexpr int kAtOnce = 32 / kPacks;
  const int lane = threadIdx.x % 32;
  const int pack = lane % kPacks;
  const uint32_t panel = to + pack / 8 * (kRows * 128);
#pragma unroll 4
  for (int i = 0; i < kRows / kAtOnce; ++i) {
    const int row = lane / kPacks + i * kAtOnce;
    CopyAsync(panel + TileOffset<kPanel>(row, pack % 8), source(row) + pack * 8);
  }
}

// What the warp's threads have copied becomes visible to the warpgroup products behind `full`.
__device__ __forceinline__ void PublishRows(uint32_t full) {
  CommitCopies();
  WaitCopies<0>();
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  __syncwarp();
  if (threadIdx.x % 32 == 0) Arrive(full);
}

template <int kDim>
struct Copier {
  using S = Shape<kDim>;
  const AttentionPrefillParams& p;
  const AttentionMaps& maps;
  int lane;

  __device__ __forceinline__ void Queries(const Item<kDim>& item, uint32_t to, uint32_t full) const {
    if (item.tile_row + S::kQueries <= item.rows) {
      OwnBoxes<S::kQueries>(item.first_row + item.tile_row, item.head * kDim, to, full);
    } else {
      CopyRows<kDim, S::kQueries>(to, [&](int row) {
        return p.qkv + static_cast<int64_t>(item.first_row + min(item.tile_row + row, item.rows - 1)) * p.stride +
               item.head * kDim;
      });
      PublishRows(full);
    }
  }

  // The tile of K, or of V, of a head from position `key` on. `col` is that of the head in qkv, `map` and `blocks`
  // where old tokens lie.
  __device__ __forceinline__ void Tile(const Item<kDim>& item, int key, int head, int col, const CUtensorMap& map,
                                       const bf16* blocks, uint32_t to, uint32_t full) const {
    if (key >= item.start && key + S::kKeys <= item.start + item.rows) {
      OwnBoxes<S::kKeys>(item.first_row + key - item.start, col, to, full);
    } else if (key >= item.first_seen && key + S::kKeys <= item.start && maps.block_box_rows > 0) {
      BlockBoxes(item, key, head, map, to, full);
    } else {
      // Rows that nobody sees repeat one that somebody does: their weight is zero, which would not help against a NaN.
      const bf16* const own = p.qkv + static_cast<int64_t>(item.first_row) * p.stride + col;
      CopyRows<kDim, S::kKeys>(to, [&](int row) {
        const int at = min(max(key + row, item.first_seen), item.start + item.rows - 1);
        return at >= item.start ? own + static_cast<int64_t>(at - item.start) * p.stride
                                : blocks + p.blocks.Offset(item.sequence, at, head, kDim);
      });
      PublishRows(full);
    }
  }

 private:
  // kRows rows of qkv from `row` on, kDim columns from `col` on.
  template <int kRows>
  __device__ __forceinline__ void OwnBoxes(int row, int col, uint32_t to, uint32_t full) const {
    constexpr int kBoxes = kRows / kActBoxRows;
    if (lane == 0) ArriveExpecting(full, kRows * kDim * 2);
    if (lane >= kBoxes * S::kPanels) return;
    const int box = lane % kBoxes;
    const int panel = lane / kBoxes;
    CopyBox(to + (panel * kRows + box * kActBoxRows) * 128, maps.qkv, col + panel * kPanel, row + box * kActBoxRows,
            full);
  }

  __device__ __forceinline__ void BlockBoxes(const Item<kDim>& item, int key, int head, const CUtensorMap& map,
                                             uint32_t to, uint32_t full) const {
    const int box_rows = maps.block_box_rows;
    const int boxes = S::kKeys / box_rows;
    if (lane == 0) ArriveExpecting(full, S::kTileBytes);
    for (int i = lane; i < boxes * S::kPanels; i += 32) {
      const int box = i % boxes;
      const int panel = i / boxes;
      const int64_t offset = p.blocks.Offset(item.sequence, key + box * box_rows, head, kDim);
      CopyBox(to + (panel * S::kKeys + box * box_rows) * 128, map, panel * kPanel, static_cast<int>(offset / kDim),
              full);
    }
  }
};

// All a block's items, by one warp.
template <int kDim>
__device__ __forceinline__ void Produce(const AttentionPrefillParams& p, const AttentionMaps& maps,
                                        const Schedule& schedule, const Rings<kDim>& rings) {
  const Copier<kDim> copier{p, maps, static_cast<int>(threadIdx.x % 32)};
  uint32_t filled = 0;  // tiles of keys and values so far
  uint32_t num_items = 0;
  for (int round = 0; round < schedule.Rounds(); ++round) {
    const int index = schedule.Index(round);
    Item<kDim> item;
    if (index >= schedule.items || !item.Find(p, index, schedule.query_tiles)) continue;
    rings.queries.WaitEmpty(num_items);
    copier.Queries(item, rings.queries.Tile(num_items), rings.queries.Full(num_items));
    const int k_col = (p.heads + item.kv_head) * kDim;
    const int v_head = ValueHead(item.kv_head, p.values);
    const int v_col = (p.heads + p.kv_heads + v_head) * kDim;
    for (int tile = 0; tile < item.tiles; ++tile) {
      const int key = item.first_key + tile * Shape<kDim>::kKeys;
      rings.keys.WaitEmpty(filled);
      copier.Tile(item, key, item.kv_head, k_col, maps.k_blocks, p.blocks.k, rings.keys.Tile(filled),
                  rings.keys.Full(filled));
      rings.values.WaitEmpty(filled);
      copier.Tile(item, key, v_head, v_col, maps.v_blocks, p.blocks.v, rings.values.Tile(filled),
                  rings.values.Full(filled));
      ++filled;
    }
    ++num_items;
  }
}

#endif

}  // namespace batucada::cuda
