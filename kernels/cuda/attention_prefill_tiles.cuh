// How AttentionPrefillHopper divides its work: a thread block takes one item after another, a tile of queries of
// one head, and reads the keys it sees in tiles through a ring in shared memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/attention_prefill.h"
#include "kernels/cuda/vector.cuh"

namespace batucada::cuda {

constexpr int kGroupThreads = 128;  // of a warpgroup
constexpr int kGroupQueries = 64;   // of a warpgroup that multiplies
constexpr int kPanel = 64;          // columns of a row of 128 bytes

template <int kDim>
struct Shape {
  // Warpgroups that multiply; one more copies. Three leave 160 registers a thread, enough for heads of 64.
  static constexpr int kConsumers = kDim == 64 ? 3 : 2;
  static constexpr int kThreads = kGroupThreads * (kConsumers + 1);
  static constexpr int kProducerRegisters = kDim == 64 ? 32 : 40;
  static constexpr int kConsumerRegisters = kDim == 64 ? 160 : 232;
  static constexpr int kQueries = kGroupQueries * kConsumers;  // of an item
  static constexpr int kQueryBuffers = kDim == 256 ? 1 : 2;
  static constexpr int kKeys = kDim == 256 ? 64 : 128;  // of a tile
  static constexpr int kStages = kDim == 64 ? 4 : 2;
  static constexpr int kPanels = kDim / kPanel;
  static constexpr int kQueryPanelBytes = kQueries * 128;
  static constexpr int kKeyPanelBytes = kKeys * 128;
  static constexpr int kQueryBytes = kPanels * kQueryPanelBytes;
  static constexpr int kTileBytes = kPanels * kKeyPanelBytes;  // of K; of V the same
  // Up to 16 barriers come last; tiles lie at multiples of 1024.
  static constexpr int kBytes = kQueryBuffers * kQueryBytes + kStages * 2 * kTileBytes + 256 + 1024;
};

// The queries of one item, and the tiles of keys they see.
template <int kDim>
struct Item {
  int sequence;
  int head;
  int kv_head;
  int tile_row;     // of the first query, within the chunk
  int first_row;    // of the chunk
  int rows;         // of the chunk
  int start;        // position of the chunk's first row
  int first_query;  // position
  int first_seen;   // position of the first key that any query sees
  int first_key;    // position where the first tile begins: a multiple of the tile, as blocks are
  int tiles;        // of keys

  // Item `index` of grid [sequences][query tiles][heads]; late queries, which see the most, come first. False if it is
  // empty.
  __device__ __forceinline__ bool Find(const AttentionPrefillParams& p, int index, int query_tiles) {
    using S = Shape<kDim>;
    head = index % p.heads;
    const int rest = index / p.heads;
    tile_row = (query_tiles - 1 - rest % query_tiles) * S::kQueries;
    sequence = p.num_decode + rest / query_tiles;
    first_row = p.first_row[sequence];
    rows = p.first_row[sequence + 1] - first_row;
    if (tile_row >= rows) return false;
    kv_head = head / (p.heads / p.kv_heads);
    start = p.start[sequence];
    first_query = start + tile_row;
    first_seen = max(0, first_query - p.window + 1);
    first_key = first_seen / S::kKeys * S::kKeys;
    tiles = CeilDiv(min(first_query + S::kQueries, start + rows) - first_key, S::kKeys);
    return true;
  }
};

// The items of a thread block. Every second round runs backwards, so that nobody gets the longest item each time.
struct Schedule {
  int items;
  int query_tiles;
  __device__ __forceinline__ int Rounds() const { return CeilDiv(items, gridDim.x); }
  // May lie beyond the last item.
  __device__ __forceinline__ int Index(int round) const {
    return round * gridDim.x + (round % 2 == 0 ? blockIdx.x : gridDim.x - 1 - blockIdx.x);
  }
};

#if __CUDA_ARCH__ >= 900

// Places in shared memory for tiles of one kind, taken in turn by tile 0, 1, 2, … of a block. Each has a barrier that
// completes when it is full and one that completes when every consumer has read it.
template <int kPlaces, int kTileBytes>
struct Ring {
  static constexpr int kBytes = kPlaces * kTileBytes;
  static constexpr int kBarrierBytes = kPlaces * 16;
  uint32_t tiles;
  uint32_t barriers;

  __device__ __forceinline__ void Init(int consumer_threads) const {
    for (int i = 0; i < kPlaces; ++i) {
      InitBarrier(Full(i), 1);
      InitBarrier(Empty(i), consumer_threads);
    }
  }
  __device__ __forceinline__ uint32_t Tile(uint32_t n) const { return tiles + n % kPlaces * kTileBytes; }
  __device__ __forceinline__ uint32_t Full(uint32_t n) const { return barriers + n % kPlaces * 16; }
  __device__ __forceinline__ uint32_t Empty(uint32_t n) const { return Full(n) + 8; }

  __device__ __forceinline__ void WaitEmpty(uint32_t n) const {
    if (n >= kPlaces) WaitBarrier(Empty(n), (n / kPlaces - 1) & 1);
  }
  // Only until this thread has released the tile.
  __device__ __forceinline__ void WaitFull(uint32_t n) const { WaitBarrier(Full(n), n / kPlaces & 1); }
  __device__ __forceinline__ void Release(uint32_t n) const { Arrive(Empty(n)); }
};

// Keys and values have rings of their own, because keys are free a tile earlier.
template <int kDim>
struct Rings {
  using S = Shape<kDim>;
  Ring<S::kQueryBuffers, S::kQueryBytes> queries;
  Ring<S::kStages, S::kTileBytes> keys;
  Ring<S::kStages, S::kTileBytes> values;

  // `shared` is the block's memory, S::kBytes.
  __device__ __forceinline__ explicit Rings(uint32_t shared) {
    queries.tiles = (shared + 1023) / 1024 * 1024;
    keys.tiles = queries.tiles + queries.kBytes;
    values.tiles = keys.tiles + keys.kBytes;
    queries.barriers = values.tiles + values.kBytes;
    keys.barriers = queries.barriers + queries.kBarrierBytes;
    values.barriers = keys.barriers + keys.kBarrierBytes;
  }
  __device__ __forceinline__ void Init() const {
    constexpr int kThreads = kGroupThreads * S::kConsumers;
    queries.Init(kThreads);
    keys.Init(kThreads);
    values.Init(kThreads);
    PublishBarriers();
  }
};

#endif

}  // namespace batucada::cuda
