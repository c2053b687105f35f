// Attention of one query per sequence over the window in blocks: FlashDecoding, with the query heads of a K/V head
// packed as N of the matrix product (scoresᵀ = K·Qᵀ), so that K and V are read once per group of up to 24, or 16 of
// 256 dimensions.
//   q: the first heads·head_dim columns of qkv [D, …] bf16, rotated; out [D, heads·head_dim] bf16; head_dim 64, 128,
//   256
// With paired values (differential attention, arXiv 2410.05258) K/V heads 2i and 2i + 1 each attend with the values of
// both side by side, out [D, heads·2·head_dim], head_dim 64 or 128; K and V are read once for the pair.
// The row's own K and V are in the blocks already. Keys are split over blocks of the grid; the last block of a row and
// K/V head to finish adds up the parts, always in the same order.
// Floor: 4·head_dim·kv_heads bytes per visible key over the copy bandwidth.
// Measured on an H200, window 2,048, 32/4 heads of 64: 102% at 256 rows, 92% at 64, 61% at 16; one row takes 5.9 µs.
// 64 rows of 12/12 heads of 128: 109%; of 11/1 of 256: 76%. Pairs of 40/20 heads of 64 at 64 rows: 90% in a window of
// 512, 99% over 2,048 keys; 94% at 16 rows over 32,768.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/kv_blocks.h"
#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct AttentionDecodeParams {
  const __nv_bfloat16* qkv;
  int64_t stride;
  KvBlocks blocks;           // read only
  const int32_t* positions;  // [D]
  // Null: row i is sequence i. Otherwise row i stands where row_of[i] of the batch does: at positions[row_of[i]] of
  // sequence row_sequence[row_of[i]]; its keys may have been written by kernels shortly before this one.
  const int32_t* row_of;
  const int32_t* row_sequence;
  int32_t rows;  // D
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t window;
  int32_t splits;  // blocks per row and K/V head; 0: chosen to fill the device
  bool drafts;     // a row may see keys of rows in front of it: written by kernels shortly before this one, too
  bool paired_values;
  int32_t out_head_stride;  // elements from one head of out to the next
  __nv_bfloat16* out;
  int64_t out_stride;

  // Without the first so many rows.
  AttentionDecodeParams RowsFrom(int32_t first) const {
    AttentionDecodeParams rest = *this;
    rest.rows -= first;
    rest.qkv += first * stride;
    rest.out += first * out_stride;
    if (row_of != nullptr) {
      rest.row_of += first;
    } else {
      rest.positions += first;
      rest.blocks.table += int64_t{first} * blocks.table_width;
    }
    return rest;
  }
};

cudaError_t AttentionDecode(const AttentionDecodeParams& params, const Target& target);

}  // namespace batucada::cuda
