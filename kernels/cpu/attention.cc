#include "kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/kv_ring.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"
#include "kernels/cpu/simd-inl.h"

#ifndef BATUCADA_KERNELS_CPU_ATTENTION_ONCE_
#define BATUCADA_KERNELS_CPU_ATTENTION_ONCE_
namespace batucada {

inline constexpr int32_t kKeyTile = 64;         // keys per step of the online softmax
inline constexpr int64_t kQueryFloats = 4096;   // of a tile's queries: 16 KiB, and as much for its outputs
inline constexpr int64_t kMaxQueryRows = 64;

// Rows of (token, head) pairs a tile may hold.
inline int64_t QueryRows(int32_t head_dim) { return std::clamp<int64_t>(kQueryFloats / head_dim, 8, kMaxQueryRows); }

// Floats of working memory a thread needs.
inline size_t AttentionFloats(int32_t head_dim) {
  return static_cast<size_t>(QueryRows(head_dim) * (2 * head_dim + kKeyTile));
}

}  // namespace batucada
#endif  // BATUCADA_KERNELS_CPU_ATTENTION_ONCE_

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = hn::MaxLanes(D());
// Query rows a register tile holds: as many as accumulators leave registers for the operands.
constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
constexpr int kOutputVectors = 4;

// The state of a tile of queries as it walks over the keys.
struct Queries {
  int32_t rows;
  int64_t head_dim;
  float* q;       // [rows, head_dim], times 1/√d
  float* out;     // [rows, head_dim], sums so far, relative to max
  float* scores;  // [rows, kKeyTile], then probabilities
  float max[kMaxQueryRows];
  float sum[kMaxQueryRows];
  float rescale[kMaxQueryRows];  // of out, on account of a larger max
  int32_t position[kMaxQueryRows];
};

// One step: keys at absolute positions base … base + kKeyTile - 1, of which [begin, end) exist.
struct Keys {
  int32_t base;
  int32_t begin;  // relative to base
  int32_t end;
  const float* k[kKeyTile];
  const float* v[kKeyTile];
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

// scores[r][j] = q[r]·k[j] for kCount rows from `row` and four keys j from `first`.
template <int kCount>
HWY_INLINE void ScoreFour(const Queries& queries, const Keys& keys, int32_t row, int32_t first) {
  const D d;
  const float* k[4];
  // Keys that do not exist are replaced by one that does; nobody looks at their scores.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) k[j] = keys.k[std::clamp(first + j, keys.begin, keys.end - 1)];
  const float* q = queries.q + row * queries.head_dim;
  V sum[kCount][4];
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[r][j] = hn::Zero(d);
  }
  for (int64_t i = 0; i < queries.head_dim; i += kLanes) {
    V key[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) key[j] = hn::LoadU(d, k[j] + i);
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r) {
      const V query = hn::Load(d, q + r * queries.head_dim + i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sum[r][j] = hn::MulAdd(query, key[j], sum[r][j]);
    }
  }
  const hn::CappedTag<float, 4> d4;
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r) {
    hn::Store(FourSums(d, sum[r][0], sum[r][1], sum[r][2], sum[r][3]), d4,
              queries.scores + (row + r) * kKeyTile + first);
  }
}

// Turns a row's scores into probabilities relative to the running maximum, zero where the query does not see the key.
HWY_INLINE void SoftmaxStep(Queries& queries, int32_t row, Range visible) {
  const D d;
  float* scores = queries.scores + row * kKeyTile;
  if (visible.begin >= visible.end) {
    for (int64_t j = 0; j < kKeyTile; j += kLanes) hn::Store(hn::Zero(d), d, scores + j);
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
  for (int64_t j = 0; j < kKeyTile; j += kLanes) {
    largest = hn::Max(largest, hn::IfThenElse(seen(j), hn::Load(d, scores + j), lowest));
  }
  const float old_max = queries.max[row];
  const float new_max = std::max(old_max, hn::GetLane(hn::MaxOfLanes(d, largest)));
  V total = hn::Zero(d);
  for (int64_t j = 0; j < kKeyTile; j += kLanes) {
    const V p = hn::IfThenElseZero(seen(j), Exponential(d, hn::Sub(hn::Load(d, scores + j), hn::Set(d, new_max))));
    hn::Store(p, d, scores + j);
    total = hn::Add(total, p);
  }
  const float rescale = hn::GetLane(Exponential(d, hn::Set(d, old_max - new_max)));
  queries.sum[row] = queries.sum[row] * rescale + hn::GetLane(hn::SumOfLanes(d, total));
  queries.max[row] = new_max;
  queries.rescale[row] = rescale;
}

// out[r][i …] = out·rescale + Σ_j p[r][j]·v[j][i …] for kCount rows, kVecs vectors from column i, in the order of keys.
template <int kCount, int kVecs>
HWY_INLINE void AddValues(const Queries& queries, const Keys& keys, int32_t row, Range range, int64_t i) {
  const D d;
  float* out = queries.out + row * queries.head_dim + i;
  const float* p = queries.scores + row * kKeyTile;
  V sum[kCount][kVecs];
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r) {
    const V rescale = hn::Set(d, queries.rescale[row + r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::Mul(rescale, hn::Load(d, out + r * queries.head_dim + v * kLanes));
  }
  for (int32_t j = range.begin; j < range.end; ++j) {
    V value[kVecs];
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) value[v] = hn::LoadU(d, keys.v[j] + i + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r) {
      const V probability = hn::Set(d, p[r * kKeyTile + j]);
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::MulAdd(probability, value[v], sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) hn::Store(sum[r][v], d, out + r * queries.head_dim + v * kLanes);
  }
}

// One step of the online softmax for kCount rows from `row`.
template <int kCount>
HWY_INLINE void StepRows(Queries& queries, const Keys& keys, int32_t row, int32_t window) {
  Range any = {kKeyTile, 0};  // keys that any of the rows sees
  for (int r = 0; r < kCount; ++r) {
    const Range visible = Visible(queries, keys, row + r, window);
    if (visible.begin >= visible.end) continue;
    any = {std::min(any.begin, visible.begin), std::max(any.end, visible.end)};
  }
  if (any.begin >= any.end) return;
  for (int32_t j = any.begin / 4 * 4; j < any.end; j += 4) ScoreFour<kCount>(queries, keys, row, j);
  for (int r = 0; r < kCount; ++r) SoftmaxStep(queries, row + r, Visible(queries, keys, row + r, window));
  int64_t i = 0;
  for (; i + kOutputVectors * kLanes <= queries.head_dim; i += kOutputVectors * kLanes) {
    AddValues<kCount, kOutputVectors>(queries, keys, row, any, i);
  }
  for (; i < queries.head_dim; i += kLanes) AddValues<kCount, 1>(queries, keys, row, any, i);
}

// Finds the K and V rows of a step: before the chunk in the ring, after in the activations.
HWY_INLINE void FindKeys(const BatchView& b, const AttentionArgs& args, int32_t s, int32_t kv_head, Keys& keys) {
  const int64_t k_column = (static_cast<int64_t>(args.heads) + kv_head) * args.head_dim;
  const int64_t v_column = k_column + static_cast<int64_t>(args.kv_heads) * args.head_dim;
  for (int32_t j = keys.begin; j < keys.end; ++j) {
    const int32_t position = keys.base + j;
    if (position >= b.start[s]) {
      const float* row = args.qkv.As<float>() + (b.first_row[s] + position - b.start[s]) * args.qkv.stride;
      keys.k[j] = row + k_column;
      keys.v[j] = row + v_column;
    } else {
      const int64_t offset = RingOffset(b, args.kv, s, kv_head, args.head_dim, position);
      keys.k[j] = static_cast<const float*>(args.kv.k) + offset;
      keys.v[j] = static_cast<const float*>(args.kv.v) + offset;
    }
  }
}

void AttendTile(const BatchView& b, const AttentionArgs& args, const AttentionTile& tile, float* scratch) {
  const D d;
  const int64_t head_dim = args.head_dim;
  Queries queries;
  queries.rows = tile.tokens * tile.heads;
  queries.head_dim = head_dim;
  queries.q = scratch;
  queries.out = queries.q + QueryRows(args.head_dim) * head_dim;
  queries.scores = queries.out + QueryRows(args.head_dim) * head_dim;

  const int32_t s = tile.sequence;
  const int32_t first_position = b.start[s] + tile.first_token;
  const int64_t first_row = b.first_row[s] + tile.first_token;
  const auto column = [&](int32_t row) { return (tile.first_head + row % tile.heads) * head_dim; };
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
  const int32_t oldest = OldestVisible(first_position, args.window);
  const int32_t newest = first_position + tile.tokens - 1;
  for (int32_t base = oldest / kKeyTile * kKeyTile; base <= newest; base += kKeyTile) {
    Keys keys;
    keys.base = base;
    keys.begin = std::max(0, oldest - base);
    keys.end = std::min(kKeyTile, newest + 1 - base);
    FindKeys(b, args, s, kv_head, keys);
    int32_t row = 0;
    for (; row + kRows <= queries.rows; row += kRows) StepRows<kRows>(queries, keys, row, args.window);
    for (; row < queries.rows; ++row) StepRows<1>(queries, keys, row, args.window);
  }

  for (int32_t r = 0; r < queries.rows; ++r) {
    float* out = args.out.As<float>() + (first_row + r / tile.heads) * args.out.stride + column(r);
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
HWY_EXPORT(AttendTile);

// Cuts the batch into tiles and notes what each costs: its visible (query, key) pairs, roughly.
void PlanTiles(const BatchView& b, const AttentionArgs& args, AttentionScratch& scratch) {
  scratch.tiles.clear();
  scratch.cost.assign(1, 0);
  const int32_t group = args.heads / args.kv_heads;
  const int32_t max_rows = static_cast<int32_t>(QueryRows(args.head_dim));
  const int32_t heads = std::min(group, max_rows);  // a group larger than a tile is divided
  const int32_t tokens = std::max(1, max_rows / heads);
  for (int32_t s = 0; s < b.num_sequences; ++s) {
    const int32_t rows = b.first_row[s + 1] - b.first_row[s];
    for (int32_t first_token = 0; first_token < rows; first_token += tokens) {
      const int32_t count = std::min(tokens, rows - first_token);
      const int32_t newest = b.start[s] + first_token + count - 1;
      const int64_t keys = newest + 1 - OldestVisible(b.start[s] + first_token, args.window);
      for (int32_t g = 0; g < args.kv_heads; ++g) {
        for (int32_t h = 0; h < group; h += heads) {
          const int32_t count_heads = std::min(heads, group - h);
          scratch.tiles.push_back({s, first_token, count, g * group + h, count_heads});
          // Loading a key costs about as much as two products with it.
          scratch.cost.push_back(scratch.cost.back() + keys * (count * count_heads + 2));
        }
      }
    }
  }
}

constexpr int64_t kMinPairs = 2048;  // (query, key) pairs worth a fork

}  // namespace

void Attend(const BatchView& b, const AttentionArgs& args, AttentionScratch& scratch, ThreadPool& pool) {
  PlanTiles(b, args, scratch);
  const int64_t total = scratch.cost.back();
  const int64_t parts = std::clamp<int64_t>(total / kMinPairs, 1, pool.threads());
  const size_t floats = AttentionFloats(args.head_dim);
  float* memory = scratch.floats.Floats(static_cast<size_t>(parts) * floats);
  // Tile i belongs to the part in which its cost begins, so that parts cost the same however uneven tiles are.
  const auto first_tile = [&](int64_t part) {
    return std::lower_bound(scratch.cost.begin(), scratch.cost.end() - 1, total * part / parts) - scratch.cost.begin();
  };
  pool.ParallelFor(parts, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = first_tile(begin); i < first_tile(end); ++i) {
      HWY_DYNAMIC_DISPATCH(AttendTile)
      (b, args, scratch.tiles[static_cast<size_t>(i)], memory + static_cast<size_t>(thread) * floats);
    }
  });
}

}  // namespace batucada
#endif  // HWY_ONCE
