// The arithmetic of window attention: some queries of one sequence over all the keys they see.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/batch_view.h"
#include "kernels/ops.h"

namespace batucada {

// (token, head) pairs of a tile, at most.
inline constexpr int32_t kMaxQueryRows = 64;

// Queries of one sequence that share a K/V head. Rows are (token, head) pairs, token outer; tokens · heads is at most
// kMaxQueryRows.
struct AttentionTile {
  int32_t sequence;
  int32_t first_token;  // within the chunk
  int32_t tokens;
  int32_t first_head;  // query head
  int32_t heads;       // all of one group
  int32_t half;        // of paired values: 0 or 1, which of the two heads' values
};

// Floats of working memory for one tile, aligned to 64 bytes.
size_t AttentionTileFloats(int32_t head_dim);

// Online softmax (arXiv 2112.05682) in steps of a fixed number of keys that start at multiples of it. Per step: K is
// transposed, scores are a product with keys along the vectors, the softmax rescales what is summed so far, and the
// values are added as a second product. Every sum runs in one order, over i in q·k and over keys in p·v.
// `own_in_cache`: the chunk's own keys and values are in the blocks, too, and args.qkv has none.
void AttendTile(const BatchView& b, const AttentionArgs& args, const AttentionTile& tile, bool own_in_cache,
                float* scratch);

}  // namespace batucada
