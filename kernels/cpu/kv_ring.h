// Where a token's K and V lie: in the ring of blocks that BatchView describes, or, for rows of the running batch, in
// the activations; and the write-back from the second to the first.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/batch_view.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// Element offset, from K (or V) of block 0, of head `kv_head` at absolute position `position` of sequence s.
inline int64_t RingOffset(const BatchView& b, const KvView& kv, int32_t s, int32_t kv_head, int32_t head_dim,
                          int32_t position) {
  const int32_t entry = position / kv.block_tokens % b.table_width;
  const int64_t block = b.block_table[static_cast<int64_t>(s) * b.table_width + entry];
  return block * kv.block_stride +
         (static_cast<int64_t>(kv_head) * kv.block_tokens + position % kv.block_tokens) * head_dim;
}

// The oldest position that a query at `position` sees.
inline int32_t OldestVisible(int32_t position, int32_t window) { return window > position ? 0 : position - window + 1; }

// Tokens the ring holds.
inline int64_t RingTokens(const BatchView& b, const KvView& kv) {
  return static_cast<int64_t>(b.table_width) * kv.block_tokens;
}

// Writes K (rotated) and V of the batch's rows that a later query can see: the last window - 1 of each sequence. Of a
// chunk longer than the ring only the last RingTokens() rows are written, which is all the ring can hold.
void WriteKv(const BatchView& b, const AttentionArgs& args, ThreadPool& pool);
// Likewise of decode rows alone, all of them.
void WriteDecodeKv(BatchView b, AttentionArgs args, ThreadPool& pool);

}  // namespace batucada
