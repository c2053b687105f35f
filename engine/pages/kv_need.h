// How many K/V blocks a sequence needs: the formula that budget, scheduler, inspect and metrics count with. Host-only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/rounding.h"

namespace batucada {

// K/V groups that a model may have: layers of one shape and window are one group (state_shape.h), with blocks and a
// block table of their own.
inline constexpr int32_t kMaxKvGroups = 4;
using GroupCounts = std::array<int64_t, kMaxKvGroups>;  // by group; 0 for those that are not there

inline int64_t BlocksOf(int64_t tokens, int32_t block_tokens) { return CeilDiv(tokens, block_tokens); }

// Blocks that a window can touch: it straddles one block border more than its length alone would need.
inline int64_t RingBlocks(int64_t window, int32_t block_tokens) { return BlocksOf(window - 1, block_tokens) + 1; }

// One K/V group as the scheduler knows it.
struct KvGroupSize {
  int32_t blocks = 0;             // in the pool
  int32_t most_per_sequence = 0;  // width of the block table: all tokens of the longest sequence, or the window's ring
  // Whether a full block is never written again, so that sequences with the same beginning may share it: the group
  // keeps all tokens. Else the table is a ring, whose blocks are overwritten.
  bool grows = false;

  // Blocks that a sequence of so many positions ever holds.
  int64_t BlocksFor(int64_t tokens, int32_t block_tokens) const {
    return std::min<int64_t>(BlocksOf(tokens, block_tokens), most_per_sequence);
  }
};

}  // namespace batucada
