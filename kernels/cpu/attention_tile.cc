#include "kernels/cpu/attention_tile.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "kernels/cpu/kv_ring.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_tile.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

#ifndef BATUCADA_KERNELS_CPU_ATTENTION_TILE_ONCE_
#define BATUCADA_KERNELS_CPU_ATTENTION_TILE_ONCE_
namespace batucada {

inline constexpr int32_t kMaxStepKeys = 64;

// Keys per step of the online softmax, so that K and V of a step stay near the core while all rows of a tile pass over
// them. Fixed for a model: steps start at multiples of it, whatever the batch.
inline int32_t StepKeys(int32_t head_dim) { return head_dim <= 64 ? kMaxStepKeys : kMaxStepKeys / 2; }

}  // namespace batucada
#endif  // BATUCADA_KERNELS_CPU_ATTENTION_TILE_ONCE_

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = hn::MaxLanes(D());
// Register tiles of both products are rows × vectors, of keys in q·kᵀ and of outputs in p·v: kRows × 2 where there are
// rows enough, wider where there are few, to have sums enough in flight.
constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
template <int kCount>
constexpr int kWide = kCount <= 4 && HWY_TARGET <= HWY_AVX3 ? 4 : 2;

// The state of a tile of queries as it walks over the keys.
struct Queries {
  int32_t rows;
  int64_t head_dim;
  float* q;       // [rows, head_dim], times 1/√d
  float* out;     // [rows, head_dim], sums so far, relative to max
  float* scores;  // [rows, kMaxStepKeys], then probabilities
  float max[kMaxQueryRows];
  float sum[kMaxQueryRows];
  float rescale[kMaxQueryRows];  // of out, on account of a larger max
  int32_t position[kMaxQueryRows];
};

// One step: keys at absolute positions base … base + count - 1, of which [begin, end) exist.
struct Keys {
  int32_t base;
  int32_t count;  // StepKeys()
  int32_t begin;  // relative to base
  int32_t end;
  float* transposed;             // [head_dim, count]: K with keys along vectors, so that scores need no horizontal sums
  const float* k[kMaxStepKeys];  // rows
  const float* v[kMaxStepKeys];
};

// The keys of a step that a query sees, relative to base; begin >= end if none.
struct Range {
  int32_t begin;
  int32_t end;
};
HWY_INLINE Range Visible(const Queries& queries, const Keys& keys, int32_t row, int32_t window) {
  const int32_t position = queries.position[row];
  return {std::max(keys.begin, OldestVisible(position, window) - keys.base),
          std::min(keys.end, position + 1 - keys.base)};
}

// The 128-bit blocks of a vector, `stride` floats apart.
template <class DV, class VV>
HWY_INLINE void StoreBlocks(DV d, VV v, float* to, int64_t stride) {
  if constexpr (hn::MaxLanes(DV()) > 4) {
    const hn::Half<DV> half;
    StoreBlocks(half, hn::LowerHalf(half, v), to, stride);
    StoreBlocks(half, hn::UpperHalf(half, v), to + static_cast<int64_t>(hn::MaxLanes(half) / 4) * stride, stride);
  } else {
    hn::Store(v, d, to);
  }
}

// Four keys × one vector of dimensions at a time; meanwhile asks for the next step's K and V, so that the memory works
// while the core computes (decode is a fifth faster).
HWY_NOINLINE void TransposeKeys(const Keys& keys, const Keys& next, int64_t head_dim) {
  const D d;
  const hn::Repartition<uint64_t, D> d64;
  const auto lower = [&](V x, V y) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveLower(d64, hn::BitCast(d64, x), hn::BitCast(d64, y)));
  };
  const auto upper = [&](V x, V y) HWY_ATTR {
    return hn::BitCast(d, hn::InterleaveUpper(d64, hn::BitCast(d64, x), hn::BitCast(d64, y)));
  };
  for (int32_t j = keys.begin / 4 * 4; j < keys.end; j += 4) {
    // Keys that do not exist are replaced by one that does; nobody looks at their scores.
    const float* k[4];
    for (int32_t i = 0; i < 4; ++i) k[i] = keys.k[std::clamp(j + i, keys.begin, keys.end - 1)];
    for (int64_t i = 0; i < head_dim; i += kLanes) {
      for (int32_t r = 0; r < 4; ++r) {
        hwy::Prefetch(next.k[j + r] + i);
        hwy::Prefetch(next.v[j + r] + i);
      }
      const V k0 = hn::LoadU(d, k[0] + i), k1 = hn::LoadU(d, k[1] + i);
      const V k2 = hn::LoadU(d, k[2] + i), k3 = hn::LoadU(d, k[3] + i);
      // Blocks of {k0[0], k1[0], k0[1], k1[1]} and so on, then of {k0[n], k1[n], k2[n], k3[n]}.
      const V low01 = hn::InterleaveLower(d, k0, k1), high01 = hn::InterleaveUpper(d, k0, k1);
      const V low23 = hn::InterleaveLower(d, k2, k3), high23 = hn::InterleaveUpper(d, k2, k3);
      const int64_t pitch = keys.count;
      float* to = keys.transposed + i * pitch + j;
      StoreBlocks(d, lower(low01, low23), to, 4 * pitch);
      StoreBlocks(d, upper(low01, low23), to + pitch, 4 * pitch);
      StoreBlocks(d, lower(high01, high23), to + 2 * pitch, 4 * pitch);
      StoreBlocks(d, upper(high01, high23), to + 3 * pitch, 4 * pitch);
    }
  }
}

// scores[r][j] = Σ_i q[r][i]·k[j][i], in the order of i, for kCount rows from `row` and kVectors vectors of keys from
// j. Kept out of line, as is the next product, to have all registers for itself.
template <int kCount, int kVectors>
HWY_NOINLINE void ScoreTile(const Queries& queries, const Keys& keys, int32_t row, int64_t j) {
  const D d;
  const float* HWY_RESTRICT q = queries.q + row * queries.head_dim;
  const float* HWY_RESTRICT k = keys.transposed + j;
  V sum[kCount][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t i = 0; i < queries.head_dim; ++i) {
    V key[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) key[v] = hn::Load(d, k + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const V query = hn::Set(d, q[r * queries.head_dim]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(query, key[v], sum[r][v]);
    }
    ++q;
    k += keys.count;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      hn::Store(sum[r][v], d, queries.scores + int64_t{row + r} * kMaxStepKeys + j + v * kLanes);
    }
  }
}

// Turns a row's scores into probabilities relative to the running maximum, zero where the query does not see the key.
HWY_NOINLINE void SoftmaxStep(Queries& queries, int32_t count, int32_t row, Range visible) {
  const D d;
  float* scores = queries.scores + int64_t{row} * kMaxStepKeys;
  if (visible.begin >= visible.end) {
    for (int64_t j = 0; j < count; j += kLanes) hn::Store(hn::Zero(d), d, scores + j);
    queries.rescale[row] = 1;
    return;
  }
  const V begin = hn::Set(d, static_cast<float>(visible.begin)), end = hn::Set(d, static_cast<float>(visible.end));
  const auto seen = [&](int64_t j) HWY_ATTR {
    const V index = hn::Iota(d, static_cast<float>(j));
    return hn::And(hn::Ge(index, begin), hn::Lt(index, end));
  };
  const V lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  V largest = lowest;
  for (int64_t j = 0; j < count; j += kLanes) {
    largest = hn::Max(largest, hn::IfThenElse(seen(j), hn::Load(d, scores + j), lowest));
  }
  const float old_max = queries.max[row];
  const float new_max = std::max(old_max, hn::GetLane(hn::MaxOfLanes(d, largest)));
  V total = hn::Zero(d);
  for (int64_t j = 0; j < count; j += kLanes) {
    const V p = hn::IfThenElseZero(seen(j), Exponential(d, hn::Sub(hn::Load(d, scores + j), hn::Set(d, new_max))));
    hn::Store(p, d, scores + j);
    total = hn::Add(total, p);
  }
  // e^0 is exactly 1: where the maximum stays, so do the sums.
  const float rescale = new_max == old_max ? 1.0f : hn::GetLane(Exponential(d, hn::Set(d, old_max - new_max)));
  queries.sum[row] = queries.sum[row] * rescale + hn::GetLane(hn::SumOfLanes(d, total));
  queries.max[row] = new_max;
  queries.rescale[row] = rescale;
}

// out[r][i …] = out·rescale + Σ_j p[r][j]·v[j][i …] for kCount rows from `row` and kVectors vectors of outputs from i,
// in the order of keys.
template <int kCount, int kVectors>
HWY_NOINLINE void AddValuesTile(const Queries& queries, const Keys& keys, int32_t row, Range range, int64_t i) {
  const D d;
  float* HWY_RESTRICT out = queries.out + row * queries.head_dim + i;
  const float* HWY_RESTRICT p = queries.scores + int64_t{row} * kMaxStepKeys;
  V sum[kCount][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
    const V rescale = hn::Set(d, queries.rescale[row + r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      sum[r][v] = hn::Mul(rescale, hn::Load(d, out + r * queries.head_dim + v * kLanes));
  }
  for (int32_t j = range.begin; j < range.end; ++j) {
    V value[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) value[v] = hn::LoadU(d, keys.v[j] + i + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const V probability = hn::Set(d, p[r * kMaxStepKeys + j]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(probability, value[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[r][v], d, out + r * queries.head_dim + v * kLanes);
  }
}

// One step of the online softmax for kCount rows from `row`.
template <int kCount>
void StepRows(Queries& queries, const Keys& keys, int32_t row, int32_t window) {
  Range any = {keys.count, 0};  // keys that any of the rows sees
  for (int r = 0; r < kCount; ++r) {
    const Range visible = Visible(queries, keys, row + r, window);
    if (visible.begin >= visible.end) continue;
    any = {std::min(any.begin, visible.begin), std::max(any.end, visible.end)};
  }
  if (any.begin >= any.end) return;
  constexpr int64_t kPair = 2 * kLanes, kTile = kWide<kCount> * kLanes;
  // Keys around the visible ones are scored along, to keep to whole tiles; nobody looks at those scores.
  int64_t j = any.begin / kPair * kPair;
  for (; j + kTile <= keys.count && j + kPair < any.end; j += kTile)
    ScoreTile<kCount, kWide<kCount>>(queries, keys, row, j);
  for (; j < any.end; j += kPair) ScoreTile<kCount, 2>(queries, keys, row, j);
  for (int r = 0; r < kCount; ++r) SoftmaxStep(queries, keys.count, row + r, Visible(queries, keys, row + r, window));
  int64_t i = 0;
  for (; i + kTile <= queries.head_dim; i += kTile) AddValuesTile<kCount, kWide<kCount>>(queries, keys, row, any, i);
  for (; i < queries.head_dim; i += kPair) AddValuesTile<kCount, 2>(queries, keys, row, any, i);
}

void StepAllRows(Queries& queries, const Keys& keys, int32_t window) {
  using StepFn = void (*)(Queries&, const Keys&, int32_t, int32_t);
  static constexpr StepFn kByCount[] = {
    nullptr,
    &StepRows<1>,
    &StepRows<2>,
    &StepRows<3>,
    &StepRows<4>,
#if HWY_TARGET <= HWY_AVX3
    &StepRows<5>,
    &StepRows<6>,
    &StepRows<7>,
    &StepRows<8>,
#endif
  };
  for (int32_t row = 0; row < queries.rows; row += kRows) {
    kByCount[std::min(kRows, queries.rows - row)](queries, keys, row, window);
  }
}

// Finds the K and V rows of a step: before the chunk in the ring, a block at a time; after in the activations.
void FindKeys(const BatchView& b, const AttentionArgs& args, int32_t s, int32_t kv_head, int32_t v_head,
              bool own_in_cache, Keys& keys) {
  // The first key of the chunk itself.
  const int32_t own = own_in_cache ? keys.end : std::clamp(b.start[s] - keys.base, keys.begin, keys.end);
  const int64_t v_shift = static_cast<int64_t>(v_head - kv_head) * args.kv.block_tokens * args.head_dim;
  for (int32_t j = keys.begin; j < own;) {
    const int32_t position = keys.base + j;
    const int64_t offset = RingOffset(b, args.kv, s, kv_head, args.head_dim, position);
    const float* k = static_cast<const float*>(args.kv.k) + offset;
    const float* v = static_cast<const float*>(args.kv.v) + offset + v_shift;
    const int32_t run = std::min(own - j, args.kv.block_tokens - position % args.kv.block_tokens);
    for (const int32_t end = j + run; j < end; ++j, k += args.head_dim, v += args.head_dim) {
      keys.k[j] = k;
      keys.v[j] = v;
    }
  }
  const int64_t k_column = (static_cast<int64_t>(args.heads) + kv_head) * args.head_dim;
  const int64_t v_column = (static_cast<int64_t>(args.heads) + args.kv_heads + v_head) * args.head_dim;
  for (int32_t j = own; j < keys.end; ++j) {
    const float* row = args.qkv.As<float>() + (b.first_row[s] + keys.base + j - b.start[s]) * args.qkv.stride;
    keys.k[j] = row + k_column;
    keys.v[j] = row + v_column;
  }
}

void AttendTileImpl(const BatchView& b, const AttentionArgs& args, const AttentionTile& tile, bool own_in_cache,
                    float* scratch) {
  const D d;
  const int64_t head_dim = args.head_dim;
  Queries queries;
  queries.rows = tile.tokens * tile.heads;
  queries.head_dim = head_dim;
  queries.q = scratch;
  queries.out = queries.q + kMaxQueryRows * head_dim;
  queries.scores = queries.out + kMaxQueryRows * head_dim;

  const int32_t s = tile.sequence;
  const int32_t first_position = b.start[s] + tile.first_token;
  const int64_t first_row = b.first_row[s] + tile.first_token;
  const auto column = [&](int32_t row) { return (tile.first_head + row % tile.heads) * head_dim; };
  const auto out_column = [&](int32_t row) {
    return args.paired_values ? 2 * column(row) + tile.half * head_dim : column(row);
  };
  const V scale = hn::Set(d, 1 / std::sqrt(static_cast<float>(head_dim)));
  for (int32_t r = 0; r < queries.rows; ++r) {
    const int32_t token = r / tile.heads;
    const float* q = args.qkv.As<float>() + (first_row + token) * args.qkv.stride + column(r);
    for (int64_t i = 0; i < head_dim; i += kLanes) {
      hn::Store(hn::Mul(scale, hn::LoadU(d, q + i)), d, queries.q + r * head_dim + i);
      hn::Store(hn::Zero(d), d, queries.out + r * head_dim + i);
    }
    queries.max[r] = -std::numeric_limits<float>::infinity();
    queries.sum[r] = 0;
    queries.position[r] = first_position + token;
  }

  const int32_t kv_head = tile.first_head / (args.heads / args.kv_heads);
  const int32_t v_head = args.paired_values ? kv_head / 2 * 2 + tile.half : kv_head;
  const int32_t oldest = OldestVisible(first_position, args.window);
  const int32_t newest = first_position + tile.tokens - 1;
  Keys keys, next;
  // Rows that no step finds are asked for ahead and never read: an address of ours will do.
  std::fill(std::begin(keys.k), std::end(keys.k), queries.q);
  std::fill(std::begin(keys.v), std::end(keys.v), queries.q);
  keys.count = StepKeys(args.head_dim);
  keys.transposed = queries.scores + int64_t{kMaxQueryRows} * kMaxStepKeys;
  const auto find = [&](Keys& step) HWY_ATTR {
    step.begin = std::max(0, oldest - step.base);
    step.end = std::min(step.count, newest + 1 - step.base);
    FindKeys(b, args, s, kv_head, v_head, own_in_cache, step);
  };
  keys.base = oldest / keys.count * keys.count;
  find(keys);
  for (; keys.base <= newest; keys = next) {
    next = keys;
    next.base += next.count;
    if (next.base <= newest) find(next);
    TransposeKeys(keys, next, head_dim);
    StepAllRows(queries, keys, args.window);
  }

  for (int32_t r = 0; r < queries.rows; ++r) {
    float* out = args.out.As<float>() + (first_row + r / tile.heads) * args.out.stride + out_column(r);
    const V inverse = hn::Set(d, 1 / queries.sum[r]);
    for (int64_t i = 0; i < head_dim; i += kLanes) {
      hn::StoreU(hn::Mul(inverse, hn::Load(d, queries.out + r * head_dim + i)), d, out + i);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(AttendTileImpl);
}  // namespace

// Queries, outputs, scores and transposed keys.
size_t AttentionTileFloats(int32_t head_dim) {
  const auto dim = static_cast<size_t>(head_dim);
  return kMaxQueryRows * (2 * dim + kMaxStepKeys) + static_cast<size_t>(StepKeys(head_dim)) * dim;
}

void AttendTile(const BatchView& b, const AttentionArgs& args, const AttentionTile& tile, bool own_in_cache,
                float* scratch) {
  HWY_DYNAMIC_DISPATCH(AttendTileImpl)(b, args, tile, own_in_cache, scratch);
}

}  // namespace batucada
#endif  // HWY_ONCE
