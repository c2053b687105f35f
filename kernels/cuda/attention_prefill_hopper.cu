#include "kernels/cuda/attention_prefill_hopper.h"

#include <cstdint>

#include "kernels/cuda/attention_prefill_copy.cuh"
#include "kernels/cuda/attention_prefill_tiles.cuh"
#include "kernels/cuda/tensor_map.h"
#include "kernels/cuda/wgmma.cuh"

namespace batucada::cuda {
namespace {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// Consumers issue the products of a tile one after the other, in a circle, so that the softmax of one runs while the
// tensor cores work for another. Barrier 2 + g, of 256 threads, is where group g waits for the one before it.
template <int kConsumers>
struct Turns {
  int group;
  __device__ __forceinline__ void Take() const { asm volatile("bar.sync %0, 256;" ::"r"(2 + group) : "memory"); }
  __device__ __forceinline__ void Pass() const {
    asm volatile("bar.arrive %0, 256;" ::"r"(2 + (group + 1) % kConsumers) : "memory");
  }
};

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
      // Exactly 1 where the maximum stays: a tile of which a row sees nothing, as its neighbours' place has it, must
      // not change the row. The product less its own rounded value would be the rounding's error.
      keep[row] = max[row] == top ? 1.f : Exp2(max[row] * scale - base);
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

// All a block's items, by one of the warpgroups that multiply.
template <int kDim>
__device__ __forceinline__ void Consume(const AttentionPrefillParams& p, const Schedule& schedule,
                                        const Rings<kDim>& rings, float scale, int group) {
  using S = Shape<kDim>;
  constexpr int kKeys = S::kKeys;
  const Turns<S::kConsumers> turns{group};
  const int warp = threadIdx.x / 32 % 4;
  const int lane = threadIdx.x % 32;
  const int lane_row = group * kGroupQueries + warp * 16 + lane / 4;  // its first row; the second is eight further
  const uint64_t first_keys = DescribeRows(rings.keys.tiles);
  const uint64_t first_values = DescribeTransposed(rings.values.tiles, S::kKeyPanelBytes);
  uint32_t read = 0;  // tiles of keys so far
  uint32_t num_items = 0;
  if (group == S::kConsumers - 1) turns.Pass();  // the first turn
  for (int round = 0; round < schedule.Rounds(); ++round) {
    const int index = schedule.Index(round);
    Item<kDim> item;
    if (index >= schedule.items || !item.Find(p, index, schedule.query_tiles)) continue;
    // Of the item's tiles this warpgroup's queries see [first_tile, end_tile).
    const int first_query = item.first_query + group * kGroupQueries;
    const int end_query = min(first_query + kGroupQueries, item.start + item.rows);
    const bool idle = first_query >= end_query;
    const int first_tile = idle ? 0 : (max(0, first_query - p.window + 1) - item.first_key) / kKeys;
    const int end_tile = idle ? 0 : CeilDiv(end_query - item.first_key, kKeys);
    const uint64_t queries = DescribeRows(rings.queries.Tile(num_items) + group * (kGroupQueries * 128));

    float out[kDim / 2];
    float s[kKeys / 2];
    uint32_t probabilities[kKeys / 16][4];
    float keep[2];
    Softmax softmax;

    const auto multiply_keys = [&](uint32_t n) {
      const uint64_t keys = Advance(first_keys, Uniform(n % S::kStages) * S::kTileBytes);
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kDim / 16; ++step) {
        MultiplyShared(s, Advance(queries, step / 4 * S::kQueryPanelBytes + step % 4 * 32),
                       Advance(keys, step / 4 * S::kKeyPanelBytes + step % 4 * 32), step > 0);
      }
      CommitProducts();
    };
    const auto multiply_values = [&](uint32_t n, bool add) {
      const uint64_t values = Advance(first_values, Uniform(n % S::kStages) * S::kTileBytes);
      BeginProducts();
#pragma unroll
      for (int step = 0; step < kKeys / 16; ++step) {
        MultiplyRegisters(out, probabilities[step], Advance(values, step * 2048), add || step > 0);
      }
      CommitProducts();
    };
    const auto mask = [&](int key) {
      if (key + kKeys - 1 <= first_query && key >= first_query + kGroupQueries - p.window) return;  // nothing to hide
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
    // A tile that only other warpgroups see.
    const auto skip = [&] {
      rings.keys.WaitFull(read);
      turns.Take();
      turns.Pass();
      rings.keys.Release(read);
      rings.values.WaitFull(read);
      rings.values.Release(read);
      ++read;
    };

#pragma unroll 1
    for (int tile = 0; tile < first_tile; ++tile) skip();
    rings.queries.WaitFull(num_items);
    if (!idle) {
      rings.keys.WaitFull(read);
      turns.Take();
      multiply_keys(read);
      turns.Pass();
      WaitProducts<0>();
      Pin(s);
      rings.keys.Release(read);
      mask(item.first_key + first_tile * kKeys);
      softmax.Step<kKeys>(s, scale, keep);
      pack();
      for (int tile = first_tile + 1; tile < end_tile; ++tile) {
        const uint32_t before = read;
        ++read;
        rings.keys.WaitFull(read);
        rings.values.WaitFull(before);
        turns.Take();
        multiply_keys(read);                             // of this tile,
        multiply_values(before, tile > first_tile + 1);  // and of the one before, while the softmax of this one runs
        turns.Pass();
        WaitProducts<1>();
        Pin(s);
        rings.keys.Release(read);
        mask(item.first_key + tile * kKeys);
        softmax.Step<kKeys>(s, scale, keep);
        // Within a basic block the compiler would put the exponentials off until the values have been multiplied. A
        // wait for what has long arrived ends the block.
        Pin(s);
        rings.values.WaitFull(before);
        WaitProducts<0>();
        Pin(out);
        rings.values.Release(before);
        if (__any_sync(0xffffffffu, keep[0] != 1.f || keep[1] != 1.f)) {  // seldom: a maximum has grown
#pragma unroll
          for (int i = 0; i < kDim / 8; ++i) {
            out[i * 4] *= keep[0];
            out[i * 4 + 1] *= keep[0];
            out[i * 4 + 2] *= keep[1];
            out[i * 4 + 3] *= keep[1];
          }
        }
        pack();
      }
    }
    rings.queries.Release(num_items);
    if (!idle) {
      rings.values.WaitFull(read);
      multiply_values(read, end_tile > first_tile + 1);
      WaitProducts<0>();
      Pin(out);
      rings.values.Release(read);
      ++read;
    }
#pragma unroll 1
    for (int tile = end_tile; tile < item.tiles; ++tile) skip();
    ++num_items;

#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float total = softmax.sum[row];
      total += __shfl_xor_sync(0xffffffffu, total, 1);
      total += __shfl_xor_sync(0xffffffffu, total, 2);
      const float share = 1.f / total;
      const int at = item.tile_row + lane_row + row * 8;
      if (at >= item.rows) continue;
      bf16* const to = p.out + (item.first_row + at) * p.out_stride +
                       static_cast<int64_t>(item.head) * p.out_head_stride + lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < kDim / 8; ++i) {
        *reinterpret_cast<uint32_t*>(to + i * 8) =
            Pack2(out[i * 4 + row * 2] * share, out[i * 4 + row * 2 + 1] * share);
      }
    }
  }
  if (group == 0) turns.Take();  // the last, so that no barrier is left half full
}

#endif  // __CUDA_ARCH_FEAT_SM90_ALL

// Persistent: a block takes item after item, so that one's copies start while another's results leave.
template <int kDim>
__global__ void __launch_bounds__(Shape<kDim>::kThreads, 1)
    HopperKernel(const __grid_constant__ AttentionPrefillParams p, const __grid_constant__ AttentionMaps maps,
                 Schedule schedule, float scale) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  using S = Shape<kDim>;
  extern __shared__ char shared[];
  LetNextKernelStart();
  const Rings<kDim> rings(SharedAddress(shared));
  if (threadIdx.x == 0) rings.Init();
  __syncthreads();
  WaitForEarlierKernels();
  if (threadIdx.x < kGroupThreads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(S::kProducerRegisters));
    if (threadIdx.x < 32) Produce<kDim>(p, maps, schedule, rings);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(S::kConsumerRegisters));
    Consume<kDim>(p, schedule, rings, scale, Uniform(static_cast<int>(threadIdx.x) / kGroupThreads - 1));
  }
#endif
}

cudaError_t MakeMaps(const AttentionPrefillParams& p, int keys, AttentionMaps* maps) {
  // Nothing beyond a chunk's rows or a block is ever asked for, so the maps need not know where memory ends.
  constexpr int64_t kRows = INT32_MAX;
  const int64_t dim = p.head_dim;
  cudaError_t error = MakeTensorMap(p.qkv, kRows, (p.heads + 2 * p.kv_heads) * dim, p.stride, kActBoxRows, &maps->qkv);
  const int block_tokens = 1 << p.blocks.block_shift;
  maps->block_box_rows = block_tokens < 8 || p.blocks.block_stride % dim != 0 ? 0
                         : block_tokens < keys                                ? block_tokens
                                                                              : keys;
  if (error != cudaSuccess || maps->block_box_rows == 0) return error;
  error = MakeTensorMap(p.blocks.k, kRows, dim, dim, maps->block_box_rows, &maps->k_blocks);
  if (error != cudaSuccess) return error;
  return MakeTensorMap(p.blocks.v, kRows, dim, dim, maps->block_box_rows, &maps->v_blocks);
}

template <int kDim>
cudaError_t LaunchHopper(const AttentionPrefillParams& p, const Target& target) {
  using S = Shape<kDim>;
  AttentionMaps maps{};
  const cudaError_t error = MakeMaps(p, S::kKeys, &maps);
  if (error != cudaSuccess) return error;
  const int query_tiles = CeilDiv(p.max_chunk, S::kQueries);
  const Schedule schedule{query_tiles * p.heads * (p.num_sequences - p.num_decode), query_tiles};
  const int blocks = schedule.items < target.multiprocessors ? schedule.items : target.multiprocessors;
  const float scale = kLog2E / sqrtf(static_cast<float>(kDim));
  return Launch(target, HopperKernel<kDim>, dim3(blocks), dim3(S::kThreads), S::kBytes, p, maps, schedule, scale);
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
