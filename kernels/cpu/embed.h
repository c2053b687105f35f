// Rows of a packed table by token id.
#pragma once

#include "kernels/batch_view.h"
#include "kernels/cpu/drafts.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

// The id row t of the batch embeds: last_token[slot] for decode rows that are no drafts, token_ids[t] for the rest.
inline int32_t TokenOfRow(const BatchView& b, int32_t t) {
  return t < b.num_decode && !IsDraft(b, t) ? b.last_token[b.slot[t]] : b.token_ids[t];
}

// out[t] = table[TokenOfRow(t)] as fp32, out [T, table.in]. A row is read in steps of one panel's width: at most one
// cache line per element, which is little beside the products that follow. REQUIRES: every id is in [0, table.out).
void Embed(const PackedWeights& table, const BatchView& b, const Tensor& out, ThreadPool& pool);

// out[i] = x[rows[i]], fp32. REQUIRES: every index is in [0, x.rows).
void GatherRows(const Tensor& x, const int32_t* rows, const Tensor& out, ThreadPool& pool);

}  // namespace batucada
