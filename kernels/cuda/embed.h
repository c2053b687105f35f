// Embedding lookup: out[t] = table[id(t)], where decode rows continue from what their slot sampled last.
//   table [vocab, table_stride] bf16, out [num_tokens, cols] fp32
// Floor: 6 bytes per element (2 read, 4 written) over the copy bandwidth. Not measured by itself: one launch a step.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace batucada::cuda {

struct EmbedParams {
  const __nv_bfloat16* table;
  int64_t table_stride;
  const int32_t* token_ids;   // [num_tokens], of rows [0, num_decode) only drafts' count
  const int32_t* last_token;  // [num_slots]
  const int32_t* slot;        // [num_sequences]; sequence t is row t for decode rows
  const int32_t* before;      // BatchView::before
  int32_t num_tokens;
  int32_t num_decode;
  int32_t cols;
  float* out;
  int64_t out_stride;
};

cudaError_t Embed(const EmbedParams& params, const Target& target);

}  // namespace batucada::cuda
