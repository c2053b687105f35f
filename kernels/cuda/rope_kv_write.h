// Rotary position embedding (arXiv 2104.09864, non-interleaved halves over the whole head), and the write of K and V
// into blocks.
//   qkv [T, (heads + 2·kv_heads)·head_dim] bf16: q, k, v; q and k are rotated in place; head_dim a multiple of 16
// RopeAndWriteDecode rotates all rows and writes the decode rows' K and V; run before attention. WritePrompts writes
// what later queries of the prompts can see; run after attention, which still reads the old tokens those writes
// replace. Floor: 4 bytes per element of q and k (read and written) and 4 per element of K and V written to blocks,
// over the copy bandwidth.
// Not measured by itself.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/kv_blocks.h"
#include "kernels/cuda/launch.h"

namespace batucada::cuda {

inline constexpr int kMaxHeadDim = 256;

struct RopeParams {
  __nv_bfloat16* qkv;
  int64_t stride;
  KvBlocks blocks;
  const int32_t* positions;     // [T]
  const int32_t* row_sequence;  // [T]
  const int32_t* first_row;     // [S + 1]
  const int32_t* start;         // [S]
  int32_t num_tokens;
  int32_t num_decode;
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t window;
  bool rotate;
  float frequencies[kMaxHeadDim / 2];  // angle per position of elements i and i + head_dim / 2
};

cudaError_t RopeAndWriteDecode(const RopeParams& params, const Target& target);
cudaError_t WritePrompts(const RopeParams& params, const Target& target);

}  // namespace batucada::cuda
