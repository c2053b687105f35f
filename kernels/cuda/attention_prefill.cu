#include "kernels/cuda/attention_prefill.h"

#include "kernels/cuda/attention_prefill_hopper.h"
#include "kernels/cuda/mma.cuh"

namespace batucada::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
constexpr int kQueries = 16 * kWarps;  // of a block: 16 a warp
constexpr int kKeys = 64;              // of a tile
constexpr int kStages = 2;

template <int kDim>
struct Shared {
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr int kQueryBytes = kQueries * kDim * 2;
  static constexpr int kBytes = kQueryBytes + 2 * kStages * kTileBytes;
};

// The prompt a block works on, and where its keys lie.
struct Chunk {
  int sequence;
  int kv_head;
  int first_row;
  int rows;
  int start;      // position of the first row
  const bf16* k;  // of the chunk's first row in this K/V head; V likewise
  const bf16* v;
  int64_t v_shift;  // elements from the K/V head's own values in a block to those it attends with
};

// Copies keys and values [position, position + kKeys) to shared memory; positions from `end` on repeat the last one.
template <int kDim>
__device__ __forceinline__ void CopyTile(const AttentionPrefillParams& p, const Chunk& chunk, int position, int end,
                                         uint32_t k_tile, uint32_t v_tile) {
  constexpr int kPacks = kDim / 8;
  constexpr int kRowsAtOnce = kThreads / kPacks;
  const int pack = threadIdx.x % kPacks;
#pragma unroll
  for (int i = 0; i < kKeys / kRowsAtOnce; ++i) {
    const int row = threadIdx.x / kPacks + i * kRowsAtOnce;
    const int at = min(position + row, end - 1);
    const bf16* k;
    const bf16* v;
    if (at >= chunk.start) {
      const int64_t offset = static_cast<int64_t>(at - chunk.start) * p.stride;
      k = chunk.k + offset;
      v = chunk.v + offset;
    } else {
      const int64_t offset = p.blocks.Offset(chunk.sequence, at, chunk.kv_head, kDim);
      k = p.blocks.k + offset;
      v = p.blocks.v + offset + chunk.v_shift;
    }
    CopyAsync(k_tile + TileOffset<kDim>(row, pack), k + pack * 8);
    CopyAsync(v_tile + TileOffset<kDim>(row, pack), v + pack * 8);
  }
}

template <int kDim>
__global__ void __launch_bounds__(kThreads)
    PrefillKernel(const __grid_constant__ AttentionPrefillParams p, float scale) {
  extern __shared__ __align__(128) char shared[];
  LetNextKernelStart();
  WaitForEarlierKernels();
  Chunk chunk;
  chunk.sequence = p.num_decode + blockIdx.z;
  chunk.first_row = p.first_row[chunk.sequence];
  chunk.rows = p.first_row[chunk.sequence + 1] - chunk.first_row;
  const int tile_row = blockIdx.x * kQueries;
  if (tile_row >= chunk.rows) return;
  const int head = blockIdx.y;
  chunk.kv_head = head / (p.heads / p.kv_heads);
  chunk.start = p.start[chunk.sequence];
  chunk.k = p.qkv + chunk.first_row * p.stride + (p.heads + chunk.kv_head) * kDim;
  const int v_head = ValueHead(chunk.kv_head, p.values);
  chunk.v = chunk.k + (p.kv_heads + v_head - chunk.kv_head) * kDim;
  chunk.v_shift = static_cast<int64_t>(v_head - chunk.kv_head) * (kDim << p.blocks.block_shift);
  const int first_query = chunk.start + tile_row;  // position
  const int last_query = min(first_query + kQueries, chunk.start + chunk.rows) - 1;
  const int first_key = max(0, first_query - p.window + 1);
  const int end_key = last_query + 1;
  const int tiles = CeilDiv(end_key - first_key, kKeys);

  const uint32_t q_tile = SharedAddress(shared);
  const uint32_t k_tiles = q_tile + Shared<kDim>::kQueryBytes;
  const uint32_t v_tiles = k_tiles + kStages * Shared<kDim>::kTileBytes;
  constexpr int kPacks = kDim / 8;
  for (int i = threadIdx.x; i < kQueries * kPacks; i += kThreads) {
    const int row = min(tile_row + i / kPacks, chunk.rows - 1);
    CopyAsync(q_tile + TileOffset<kDim>(i / kPacks, i % kPacks),
              p.qkv + (chunk.first_row + row) * p.stride + head * kDim + i % kPacks * 8);
  }
  CopyTile<kDim>(p, chunk, first_key, end_key, k_tiles, v_tiles);
  CommitCopies();

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const int query0 = first_query + warp * 16 + g;  // positions of this lane's two rows
  const int query1 = query0 + 8;

  constexpr int kSteps = kDim / 16;
  constexpr bool kKeepQueries = kDim <= 128;  // in registers
  uint32_t q[kKeepQueries ? kSteps : 1][4];
  const auto load_query = [&](int step, uint32_t(&to)[4]) {
    LoadMatrices(to, q_tile + TileOffset<kDim>(warp * 16 + lane % 16, step * 2 + lane / 16));
  };
  float out[kDim / 8][4] = {};
  float max0 = -INFINITY, max1 = -INFINITY, sum0 = 0.f, sum1 = 0.f;

  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % kStages;
    if (tile + 1 < tiles) {
      const int next = (tile + 1) % kStages;
      CopyTile<kDim>(p, chunk, first_key + (tile + 1) * kKeys, end_key, k_tiles + next * Shared<kDim>::kTileBytes,
                     v_tiles + next * Shared<kDim>::kTileBytes);
    }
    CommitCopies();
    WaitCopies<1>();
    __syncthreads();
    if constexpr (kKeepQueries) {
      if (tile == 0) {
#pragma unroll
        for (int step = 0; step < kSteps; ++step) load_query(step, q[step]);
      }
    }
    const uint32_t k_tile = k_tiles + stage * Shared<kDim>::kTileBytes;
    const uint32_t v_tile = v_tiles + stage * Shared<kDim>::kTileBytes;

    // Scores [16 queries, 64 keys] a warp.
    float s[kKeys / 8][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if constexpr (!kKeepQueries) load_query(step, q[0]);
      const uint32_t(&a)[4] = q[kKeepQueries ? step : 0];
#pragma unroll
      for (int pair = 0; pair < kKeys / 16; ++pair) {
        uint32_t b[4];
        LoadMatrices(b, k_tile + TileOffset<kDim>(pair * 16 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
        Mma(s[pair * 2], a, b[0], b[1]);
        Mma(s[pair * 2 + 1], a, b[2], b[3]);
      }
    }

    // Only tiles at the edges of the window hold pairs that must not see each other.
    const int key = first_key + tile * kKeys;
    if (key + kKeys - 1 > first_query || key < last_query - p.window + 1) {
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int back = (j < 2 ? query0 : query1) - (key + i * 8 + t * 2 + j % 2);
          if (back < 0 || back >= p.window) s[i][j] = -INFINITY;
        }
      }
    }

    float new0 = max0, new1 = max1;
#pragma unroll
    for (int i = 0; i < kKeys / 8; ++i) {
      new0 = fmaxf(new0, fmaxf(s[i][0], s[i][1]));
      new1 = fmaxf(new1, fmaxf(s[i][2], s[i][3]));
    }
#pragma unroll
    for (int lanes = 1; lanes < 4; lanes *= 2) {
      new0 = fmaxf(new0, __shfl_xor_sync(0xffffffffu, new0, lanes));
      new1 = fmaxf(new1, __shfl_xor_sync(0xffffffffu, new1, lanes));
    }
    // A row that has seen no key yet has maximum -inf; 0 in its place keeps its exponentials at 0.
    const float base0 = new0 == -INFINITY ? 0.f : new0 * scale;
    const float base1 = new1 == -INFINITY ? 0.f : new1 * scale;
    const float keep0 = Exp2(max0 * scale - base0);
    const float keep1 = Exp2(max1 * scale - base1);
    max0 = new0;
    max1 = new1;
    sum0 *= keep0;
    sum1 *= keep1;
    uint32_t probabilities[kKeys / 16][4];
#pragma unroll
    for (int i = 0; i < kKeys / 8; ++i) {
      s[i][0] = Exp2(fmaf(s[i][0], scale, -base0));
      s[i][1] = Exp2(fmaf(s[i][1], scale, -base0));
      s[i][2] = Exp2(fmaf(s[i][2], scale, -base1));
      s[i][3] = Exp2(fmaf(s[i][3], scale, -base1));
      sum0 += s[i][0] + s[i][1];
      sum1 += s[i][2] + s[i][3];
      probabilities[i / 2][i % 2 * 2] = Pack2(s[i][0], s[i][1]);
      probabilities[i / 2][i % 2 * 2 + 1] = Pack2(s[i][2], s[i][3]);
    }
#pragma unroll
    for (int i = 0; i < kDim / 8; ++i) {
      out[i][0] *= keep0;
      out[i][1] *= keep0;
      out[i][2] *= keep1;
      out[i][3] *= keep1;
    }
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
#pragma unroll
      for (int pair = 0; pair < kDim / 16; ++pair) {
        uint32_t b[4];
        LoadMatricesTransposed(b, v_tile + TileOffset<kDim>(step * 16 + lane % 16, pair * 2 + lane / 16));
        Mma(out[pair * 2], probabilities[step], b[0], b[1]);
        Mma(out[pair * 2 + 1], probabilities[step], b[2], b[3]);
      }
    }
    __syncthreads();  // the next round overwrites this stage
  }

#pragma unroll
  for (int lanes = 1; lanes < 4; lanes *= 2) {
    sum0 += __shfl_xor_sync(0xffffffffu, sum0, lanes);
    sum1 += __shfl_xor_sync(0xffffffffu, sum1, lanes);
  }
  const float scale0 = 1.f / sum0;
  const float scale1 = 1.f / sum1;
  const int row0 = tile_row + warp * 16 + g;
  bf16* const to =
      p.out + (chunk.first_row + row0) * p.out_stride + static_cast<int64_t>(head) * p.out_head_stride + t * 2;
#pragma unroll
  for (int i = 0; i < kDim / 8; ++i) {
    if (row0 < chunk.rows) *reinterpret_cast<uint32_t*>(to + i * 8) = Pack2(out[i][0] * scale0, out[i][1] * scale0);
    if (row0 + 8 < chunk.rows) {
      *reinterpret_cast<uint32_t*>(to + 8 * p.out_stride + i * 8) = Pack2(out[i][2] * scale1, out[i][3] * scale1);
    }
  }
}

template <int kDim>
cudaError_t LaunchPrefill(const AttentionPrefillParams& p, const Target& target) {
  const dim3 grid(CeilDiv(p.max_chunk, kQueries), p.heads, p.num_sequences - p.num_decode);
  const float scale = kLog2E / sqrtf(static_cast<float>(kDim));
  return Launch(target, PrefillKernel<kDim>, grid, dim3(kThreads), Shared<kDim>::kBytes, p, scale);
}

}  // namespace

cudaError_t AttentionPrefill(const AttentionPrefillParams& params, const Target& target) {
  if (params.num_sequences == params.num_decode) return cudaSuccess;
  if (target.hopper) return AttentionPrefillHopper(params, target);
  return AttentionPrefillAmpere(params, target);
}

cudaError_t AttentionPrefillAmpere(const AttentionPrefillParams& params, const Target& target) {
  switch (params.head_dim) {
    case 64: return LaunchPrefill<64>(params, target);
    case 128: return LaunchPrefill<128>(params, target);
    case 256: return LaunchPrefill<256>(params, target);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace batucada::cuda
