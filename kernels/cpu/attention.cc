#include "kernels/cpu/attention.h"

#include <algorithm>

#include "kernels/cpu/kv_ring.h"

namespace batucada {
namespace {

// Cuts the batch into tiles and notes what each costs: its visible (query, key) pairs, roughly.
void PlanTiles(const BatchView& b, const AttentionArgs& args, AttentionScratch& scratch) {
  scratch.tiles.clear();
  scratch.cost.assign(1, 0);
  const int32_t group = args.heads / args.kv_heads;
  const int32_t heads = std::min(group, kMaxQueryRows);  // a group larger than a tile is divided
  const int32_t tokens = kMaxQueryRows / heads;
  for (int32_t s = 0; s < b.num_sequences; ++s) {
    const int32_t rows = b.first_row[s + 1] - b.first_row[s];
    for (int32_t first_head = 0, count_heads = 0; first_head < args.heads; first_head += count_heads) {
      const int32_t end_of_group = (first_head / group + 1) * group;
      count_heads = std::min(heads, end_of_group - first_head);
      // Tokens innermost: consecutive tiles then share most of one head's keys.
      for (int32_t first_token = 0; first_token < rows; first_token += tokens) {
        const int32_t count = std::min(tokens, rows - first_token);
        const int32_t newest = b.start[s] + first_token + count - 1;
        const int64_t keys = newest + 1 - OldestVisible(b.start[s] + first_token, args.window);
        for (int32_t half = 0; half < (args.paired_values ? 2 : 1); ++half) {
          scratch.tiles.push_back({s, first_token, count, first_head, count_heads, half});
          // Loading a key costs about as much as two products with it.
          scratch.cost.push_back(scratch.cost.back() + keys * (count * count_heads + 2));
        }
      }
    }
  }
}

constexpr int64_t kMinPairs = 2048;     // (query, key) pairs worth a fork
constexpr int64_t kPartsPerThread = 4;  // so that who is held up holds up a quarter

// The first `in_cache` sequences find their own keys in the ring, too.
void AttendTiles(const BatchView& b, const AttentionArgs& args, int32_t in_cache, AttentionScratch& scratch,
                 ThreadPool& pool) {
  PlanTiles(b, args, scratch);
  const int64_t total = scratch.cost.back();
  const int64_t worth = total / kMinPairs, threads = pool.threads();
  const int64_t parts =
      worth < threads ? std::max<int64_t>(1, worth) : threads * std::min(kPartsPerThread, worth / threads);
  const size_t floats = AttentionTileFloats(args.head_dim);
  float* memory = scratch.floats.Floats(static_cast<size_t>(threads) * floats);
  // Tile i belongs to the part in which its cost begins, so that parts cost the same however uneven tiles are.
  const auto first_tile = [&](int64_t part) {
    return std::lower_bound(scratch.cost.begin(), scratch.cost.end() - 1, total * part / parts) - scratch.cost.begin();
  };
  pool.ParallelFor(parts, Grain(), [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = first_tile(begin); i < first_tile(end); ++i) {
      const AttentionTile& tile = scratch.tiles[static_cast<size_t>(i)];
      AttendTile(b, args, tile, tile.sequence < in_cache, memory + static_cast<size_t>(thread) * floats);
    }
  });
}

}  // namespace

void Attend(const BatchView& b, const AttentionArgs& args, AttentionScratch& scratch, ThreadPool& pool) {
  AttendTiles(b, args, b.before == nullptr ? 0 : b.num_decode, scratch, pool);
}

void CrossAttend(const BatchView& b, const CrossAttentionArgs& args, AttentionScratch& scratch, ThreadPool& pool) {
  // Each query as a sequence of its own, of one row.
  const auto rows = static_cast<size_t>(args.q.rows), width = static_cast<size_t>(b.table_width);
  scratch.first_row.resize(rows + 1);
  scratch.start.resize(rows);
  scratch.block_table.resize(rows * width);
  for (size_t i = 0; i < rows; ++i) {
    const int32_t row = args.rows[i];
    scratch.first_row[i + 1] = static_cast<int32_t>(i) + 1;
    scratch.start[i] = b.positions[row];
    std::copy_n(b.block_table + static_cast<size_t>(b.row_sequence[row]) * width, width,
                scratch.block_table.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
  scratch.first_row[0] = 0;
  BatchView queries = b;
  queries.num_tokens = queries.num_sequences = static_cast<int32_t>(rows);
  queries.first_row = scratch.first_row.data();
  queries.start = scratch.start.data();
  queries.block_table = scratch.block_table.data();
  AttendTiles(queries,
              {.qkv = args.q,
               .kv = args.kv,
               .heads = args.heads,
               .kv_heads = args.kv_heads,
               .head_dim = args.head_dim,
               .window = kNoWindow,
               .rope = {},
               .paired_values = args.paired_values,
               .out = args.out},
              /*in_cache=*/queries.num_sequences, scratch, pool);
}

}  // namespace batucada
