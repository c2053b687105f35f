// Attention of prompt chunks over a sliding window, on tensor cores with online softmax (FlashAttention-2, arXiv
// 2307.08691). The query at position p sees p - window + 1 … p: keys before the chunk come from blocks, the chunk's own
// from qkv, both already rotated.
//   qkv [T, (heads + 2·kv_heads)·head_dim] bf16, out [T, heads·head_dim] bf16, head_dim 64, 128 or 256
// Floor: 4·head_dim·heads operations per visible query-key pair over the bf16 matrix rate.
// Measured on an H200 (matrix rate of the run 681 TFLOP/s): window 2,048: 411 to 420 TFLOP/s at 32 heads of 64, 500 at
// 12 of 128, 520 at 11 of 256, which is 60 to 76%; full attention over 131,072 tokens 420 at 32/32 heads of 64 and 494
// at 32/4, over the last 8,192 of them from blocks 406; the version for sm_80 and up 180 to 236. A chunk of 2,048
// tokens does not fill the device evenly: 197 behind a window.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/kv_blocks.h"
#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct AttentionPrefillParams {
  const __nv_bfloat16* qkv;
  int64_t stride;
  KvBlocks blocks;           // read only
  const int32_t* first_row;  // [S + 1]
  const int32_t* start;      // [S]
  int32_t num_sequences;     // S
  int32_t num_decode;        // sequences [num_decode, S) are prompts
  int32_t max_chunk;         // longest prompt chunk in rows
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t window;
  Values values;
  int32_t out_head_stride;  // elements from one head of out to the next, at least head_dim
  __nv_bfloat16* out;
  int64_t out_stride;
};

// The fastest version for the device.
cudaError_t AttentionPrefill(const AttentionPrefillParams& params, const Target& target);
// For any device from sm_80.
cudaError_t AttentionPrefillAmpere(const AttentionPrefillParams& params, const Target& target);

}  // namespace batucada::cuda
