#include "kernels/cuda/attention_prefill_hopper.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/wgmma.cuh"

namespace batucada::cuda {
namespace {

constexpr int kGroupThreads = 128;
constexpr int kConsumers = 2;  // warpgroups that multiply, 64 queries each; one more copies
constexpr int kThreads = kGroupThreads * (kConsumers + 1);
constexpr int kQueries = 64 * kConsumers;  // of a block
constexpr int kPanel = 64;                 // columns of a row of 128 bytes

template <int kDim>
struct Shape {
  static constexpr int kKeys = kDim == 256 ? 64 : 128;  // of a tile
  static constexpr int kStages = kDim == 64 ? 3 : 2;
  static constexpr int kPanels = kDim / kPanel;
  static constexpr int kQueryPanelBytes = kQueries * 128;
  static constexpr int kKeyPanelBytes = kKeys * 128;
  static constexpr int kQueryBytes = kPanels * kQueryPanelBytes;
  static constexpr int kTileBytes = kPanels * kKeyPanelBytes;  // of K; of V the same
  static constexpr int kRingBytes = kStages * 2 * kTileBytes;
  static constexpr int kBytes = kQueryBytes + kRingBytes + 128 + 1024;  // barriers; tiles lie at multiples of 1024
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// The queries a block works on, and the keys they see.
struct Item {
  int sequence;
  int head;
  int kv_head;
  int tile_row;     // of the first query, within the chunk
  int first_row;    // of the chunk
  int rows;         // of the chunk
  int start;        // position of the chunk's first row
  int first_query;  // position
  int first_key;    // position
  int end_key;

  // Item `index` of grid [sequences][query tiles][heads]; late queries, which see the most, come first. False if it is
  // empty.
  __device__ __forceinline__ bool Find(const AttentionPrefillParams& p, int index, int tiles) {
    head = index % p.heads;
    const int rest = index / p.heads;
    tile_row = (tiles - 1 - rest % tiles) * kQueries;
    sequence = p.num_decode + rest / tiles;
    first_row = p.first_row[sequence];
    rows = p.first_row[sequence + 1] - first_row;
    if (tile_row >= rows) return false;
    kv_head = head / (p.heads / p.kv_heads);
    start = p.start[sequence];
    first_query = start + tile_row;
    end_key = min(first_query + kQueries, start + rows);
    first_key = max(0, first_query - p.window + 1);
    return true;
  }
};

// Where the barriers lie and how often they have turned.
template <int kStages>
struct Barriers {
  uint32_t base;
  __device__ __forceinline__ uint32_t Full(int stage) const { return base + stage * 8; }
  __device__ __forceinline__ uint32_t Empty(int stage) const { return base + (kStages + stage) * 8; }
  __device__ __forceinline__ uint32_t QueriesFull() const { return base + 2 * kStages * 8; }
  __device__ __forceinline__ uint32_t QueriesEmpty() const { return base + (2 * kStages + 1) * 8; }
};

// Copies `kRows` rows of kDim elements to panels; row r comes from source(r).
template <int kDim, int kRows, typename Source>
__device__ __forceinline__ void CopyRows(uint32_t to, Source source) {
  constexpr int kPacks = kDim / 8;
  constexpr int kAtOnce = kGroupThreads / kPacks;
  const int pack = threadIdx.x % kPacks;
  const uint32_t panel = to + pack / 8 * (kRows * 128);
#pragma unroll 4
  for (int i = 0; i < kRows / kAtOnce; ++i) {
    const int row = threadIdx.x / kPacks + i * kAtOnce;
    CopyAsync(panel + TileOffset<kPanel>(row, pack % 8), source(row) + pack * 8);
  }
}

// The same for rows of K and V at once: source(r, k, v) sets where row r of each comes from.
template <int kDim, int kRows, typename Source>
__device__ __forceinline__ void CopyPairs(uint32_t k_to, uint32_t v_to, Source source) {
  constexpr int kPacks = kDim / 8;
  constexpr int kAtOnce = kGroupThreads / kPacks;
  const int pack = threadIdx.x % kPacks;
  const uint32_t panel = pack / 8 * (kRows * 128);
#pragma unroll 4
  for (int i = 0; i < kRows / kAtOnce; ++i) {
    const int row = threadIdx.x / kPacks + i * kAtOnce;
    const uint32_t at = panel + TileOffset<kPanel>(row, pack % 8);
    const bf16* k;
    const bf16* v;
    source(row, k, v);
    CopyAsync(k_to + at, k + pack * 8);
    CopyAsync(v_to + at, v + pack * 8);
  }
}

// What threads have written or copied becomes visible to the warpgroup products.
__device__ __forceinline__ void PublishTile() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

template <int kDim>
__device__ __forceinline__ void Produce(const AttentionPrefillParams& p, int items, int tiles, uint32_t q_tile,
                                        uint32_t ring, const Barriers<Shape<kDim>::kStages>& barriers) {
  using S = Shape<kDim>;
  int filled = 0;  // stages so far
  int num_items = 0;
  int pending = -1;              // the stage whose copies are under way and not yet announced
  bool queries_pending = false;  // they travel with the first tile
  const auto announce = [&] {
    PublishTile();
    if (queries_pending) Arrive(barriers.QueriesFull());
    Arrive(barriers.Full(pending));
    queries_pending = false;
    pending = -1;
  };
  // Before this warpgroup waits for the consumers, who may be waiting for what is under way.
  const auto finish_pending = [&] {
    if (pending < 0) return;
    WaitCopies<0>();
    announce();
  };
  for (int index = blockIdx.x; index < items; index += gridDim.x) {
    Item item;
    if (!item.Find(p, index, tiles)) continue;
    finish_pending();
    if (num_items > 0) WaitBarrier(barriers.QueriesEmpty(), (num_items - 1) & 1);
    CopyRows<kDim, kQueries>(q_tile, [&](int row) {
      return p.qkv + static_cast<int64_t>(item.first_row + min(item.tile_row + row, item.rows - 1)) * p.stride +
             item.head * kDim;
    });
    const bf16* const own_k = p.qkv + static_cast<int64_t>(item.first_row) * p.stride + (p.heads + item.kv_head) * kDim;
    const int64_t v_after_k = static_cast<int64_t>(p.kv_heads) * kDim;
    bool first_tile = true;
    for (int key = item.first_key; key < item.end_key; key += S::kKeys) {
      const int stage = filled % S::kStages;
      if constexpr (S::kStages == 2) finish_pending();
      if (filled >= S::kStages) WaitBarrier(barriers.Empty(stage), (filled / S::kStages - 1) & 1);
      const uint32_t k_tile = ring + stage * 2 * S::kTileBytes;
      const uint32_t v_tile = k_tile + S::kTileBytes;
      if (key >= item.start) {
        const auto row = [&](int r) {
          return own_k + static_cast<int64_t>(min(key + r, item.end_key - 1) - item.start) * p.stride;
        };
        CopyRows<kDim, S::kKeys>(k_tile, row);
        CopyRows<kDim, S::kKeys>(v_tile, [&](int r) { return row(r) + v_after_k; });
      } else {
        // K and V of a row lie equally far from where theirs begin: one look-up finds both.
        CopyPairs<kDim, S::kKeys>(k_tile, v_tile, [&](int r, const bf16*& k, const bf16*& v) {
          const int at = min(key + r, item.end_key - 1);
          if (at >= item.start) {
            k = own_k + static_cast<int64_t>(at - item.start) * p.stride;
            v = k + v_after_k;
          } else {
            const int64_t offset = p.blocks.Offset(item.sequence, at, item.kv_head, kDim);
            k = p.blocks.k + offset;
            v = p.blocks.v + offset;
          }
        });
      }
      CommitCopies();
      if (pending >= 0) {
        WaitCopies<1>();
        announce();
      }
      pending = stage;
      queries_pending = first_tile;
      first_tile = false;
      ++filled;
    }
    ++num_items;
  }
  finish_pending();
}

// The running maximum and sum of this lane's two rows.
struct Softmax {
  float max[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.f, 0.f};

  // Turns scores into exponentials in place; `keep` is what earlier results are to be multiplied with.
  template <int kKeys>
  __device__ __forceinline__ void Step(float (&s)[kKeys / 2], float scale, float (&keep)[2]) {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float top = max[row];
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) top = fmaxf(top, fmaxf(s[i * 4 + row * 2], s[i * 4 + row * 2 + 1]));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
      top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
      // A row that has seen no key yet has maximum -inf; 0 in its place keeps its exponentials at 0.
      const float base = top == -INFINITY ? 0.f : top * scale;
      keep[row] = Exp2(max[row] * scale - base);
      max[row] = top;
      float total = 0.f;
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          float& value = s[i * 4 + row * 2 + j];
          value = Exp2(fmaf(value, scale, -base));
          total += value;
        }
      }
      sum[row] = sum[row] * keep[row] + total;
    }
  }
};

template <int kDim>
__device__ __forceinline__ void Consume(const AttentionPrefillParams& p, int items, int tiles, uint32_t q_tile,
                                        uint32_t ring, const Barriers<Shape<kDim>::kStages>& barriers, float scale,
                                        int group) {
  using S = Shape<kDim>;
  constexpr int kKeys = S::kKeys;
  const int warp = threadIdx.x / 32 % 4;
  const int lane = threadIdx.x % 32;
  const int lane_row = group * 64 + warp * 16 + lane / 4;  // this lane's first row; the second is eight further
  const uint32_t queries = q_tile + group * 64 * 128;
  int read = 0;  // stages so far
  int num_items = 0;
  for (int index = blockIdx.x; index < items; index += gridDim.x) {
    Item item;
    if (!item.Find(p, index, tiles)) continue;
    float out[kDim / 2];
    float s[kKeys / 2];
    uint32_t probabilities[kKeys / 16][4];
    float keep[2];
    Softmax softmax;

    const auto multiply_keys = [&](int stage) {
      const uint32_t k_tile = ring + stage * 2 * S::kTileBytes;
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kDim / 16; ++step) {
        const uint32_t col = step % 4 * 32;
        MultiplyShared(s, DescribeRows(queries + step / 4 * S::kQueryPanelBytes + col),
                       DescribeRows(k_tile + step / 4 * S::kKeyPanelBytes + col), step > 0);
      }
      CommitProducts();
    };
    const auto multiply_values = [&](int stage, bool add) {
      const uint32_t v_tile = ring + stage * 2 * S::kTileBytes + S::kTileBytes;
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kKeys / 16; ++step) {
        MultiplyRegisters(out, probabilities[step], DescribeTransposed(v_tile + step * 2048, S::kKeyPanelBytes),
                          add || step > 0);
      }
      CommitProducts();
    };
    const auto mask = [&](int key) {
      const int first = item.first_query + group * 64;
      if (key + kKeys - 1 <= first && key >= first + 63 - p.window + 1) return;  // all pairs see each other
      const int query = item.first_query + lane_row;
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int back = query + (j < 2 ? 0 : 8) - (key + i * 8 + lane % 4 * 2 + j % 2);
          if (back < 0 || back >= p.window) s[i * 4 + j] = -INFINITY;
        }
      }
    };
    const auto pack = [&] {
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) {
        probabilities[i / 2][i % 2 * 2] = Pack2(s[i * 4], s[i * 4 + 1]);
        probabilities[i / 2][i % 2 * 2 + 1] = Pack2(s[i * 4 + 2], s[i * 4 + 3]);
      }
    };
    const auto wait_full = [&](int n) { WaitBarrier(barriers.Full(n % S::kStages), (n / S::kStages) & 1); };

    WaitBarrier(barriers.QueriesFull(), num_items & 1);
    wait_full(read);
    multiply_keys(read % S::kStages);
    WaitProducts<0>();
    Pin(s);
    mask(item.first_key);
    softmax.Step<kKeys>(s, scale, keep);
    pack();
    const int num_tiles = CeilDiv(item.end_key - item.first_key, kKeys);
    for (int tile = 1; tile < num_tiles; ++tile) {
      const int before = read % S::kStages;
      ++read;
      wait_full(read);
      multiply_keys(read % S::kStages);   // of this tile,
      multiply_values(before, tile > 1);  // and of the one before, while the softmax of this one runs
      WaitProducts<1>();
      Pin(s);
      mask(item.first_key + tile * kKeys);
      softmax.Step<kKeys>(s, scale, keep);
      WaitProducts<0>();
      Pin(out);
      Arrive(barriers.Empty(before));
#pragma unroll
      for (int i = 0; i < kDim / 8; ++i) {
        out[i * 4] *= keep[0];
        out[i * 4 + 1] *= keep[0];
        out[i * 4 + 2] *= keep[1];
        out[i * 4 + 3] *= keep[1];
      }
      pack();
    }
    Arrive(barriers.QueriesEmpty());
    multiply_values(read % S::kStages, num_tiles > 1);
    WaitProducts<0>();
    Pin(out);
    Arrive(barriers.Empty(read % S::kStages));
    ++read;
    ++num_items;

#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float total = softmax.sum[row];
      total += __shfl_xor_sync(0xffffffffu, total, 1);
      total += __shfl_xor_sync(0xffffffffu, total, 2);
      const float share = 1.f / total;
      const int at = item.tile_row + lane_row + row * 8;
      if (at >= item.rows) continue;
      bf16* const to = p.out + (item.first_row + at) * p.out_stride + item.head * kDim + lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < kDim / 8; ++i) {
        *reinterpret_cast<uint32_t*>(to + i * 8) =
            Pack2(out[i * 4 + row * 2] * share, out[i * 4 + row * 2 + 1] * share);
      }
    }
  }
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

// Persistent: block b takes items b, b + blocks, … so that one item's copies start while another's results leave.
template <int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    HopperKernel(const __grid_constant__ AttentionPrefillParams p, float scale, int items, int tiles) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  using S = Shape<kDim>;
  extern __shared__ char unaligned[];
  LetNextKernelStart();
  const uint32_t q_tile = (SharedAddress(unaligned) + 1023) / 1024 * 1024;
  const uint32_t ring = q_tile + S::kQueryBytes;
  const Barriers<S::kStages> barriers{ring + S::kRingBytes};
  if (threadIdx.x == 0) {
    for (int i = 0; i < S::kStages; ++i) {
      InitBarrier(barriers.Full(i), kGroupThreads);
      InitBarrier(barriers.Empty(i), kGroupThreads * kConsumers);
    }
    InitBarrier(barriers.QueriesFull(), kGroupThreads);
    InitBarrier(barriers.QueriesEmpty(), kGroupThreads * kConsumers);
    PublishBarriers();
  }
  __syncthreads();
  WaitForEarlierKernels();
  if (threadIdx.x < kGroupThreads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    Produce<kDim>(p, items, tiles, q_tile, ring, barriers);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    Consume<kDim>(p, items, tiles, q_tile, ring, barriers, scale, threadIdx.x / kGroupThreads - 1);
  }
#endif
}

template <int kDim>
cudaError_t LaunchHopper(const AttentionPrefillParams& p, const Target& target) {
  const int tiles = CeilDiv(p.max_chunk, kQueries);
  const int items = tiles * p.heads * (p.num_sequences - p.num_decode);
  const int blocks = items < target.multiprocessors ? items : target.multiprocessors;
  const float scale = kLog2E / sqrtf(static_cast<float>(kDim));
  return Launch(target, HopperKernel<kDim>, dim3(blocks), dim3(kThreads), Shape<kDim>::kBytes, p, scale, items, tiles);
}

}  // namespace

cudaError_t AttentionPrefillHopper(const AttentionPrefillParams& params, const Target& target) {
  switch (params.head_dim) {
    case 64: return LaunchHopper<64>(params, target);
    case 128: return LaunchHopper<128>(params, target);
    case 256: return LaunchHopper<256>(params, target);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace batucada::cuda
