// Causal attention over a sliding window with an online softmax (arXiv 2112.05682, 2205.14135), fp32.
#pragma once

#include <vector>

#include "kernels/batch_view.h"
#include "kernels/cpu/aligned_scratch.h"
#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"

namespace batucada {

// Working memory of Attend, kept between calls so that it allocates only while it grows.
struct AttentionScratch {
  std::vector<AttentionTile> tiles;
  std::vector<int64_t> cost;  // running sum over tiles
  AlignedScratch floats;      // AttentionTileFloats() per thread
  // Of CrossAttend's queries, each a sequence of one row.
  std::vector<int32_t> first_row, start, block_table;
};

// out = softmax(q·kᵀ / √d)·v for every row; q and k of args.qkv already rotated. Keys before the chunk are read from
// the ring, the chunk's own from args.qkv; the ring is not written. Decode rows and prompt chunks are the same code,
// but where a batch has drafts, decode rows find their own keys in the ring, too: they are to be written before.
//
// Keys are taken in the order of absolute position, in tiles that start at multiples of a fixed number, and every dot
// product is summed in one order: a row's result does not depend, bit for bit, on chunking or on the batch.
//
// REQUIRES: head_dim is a multiple of 32. Floor: decode reads the window's K and V once; prefill is 4·d operations per
// visible (query, key) pair.
void Attend(const BatchView& b, const AttentionArgs& args, AttentionScratch& scratch, ThreadPool& pool);

// The same for single queries, whose keys are all in the ring, their own included.
void CrossAttend(const BatchView& b, const CrossAttentionArgs& args, AttentionScratch& scratch, ThreadPool& pool);

}  // namespace batucada
