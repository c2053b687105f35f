// Keys and values of one layer in blocks, as attention kernels see them: [num_blocks][...][kv_heads, block_tokens,
// head_dim].
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

namespace batucada::cuda {

// Whose values a K/V head attends with.
enum class Values : int32_t {
  kOwn,
  kFirstOfPair,   // those of head g - g % 2
  kSecondOfPair,  // those of the head behind it
};

#ifdef __CUDACC__
__device__ __forceinline__ int ValueHead(int kv_head, Values values) {
  return values == Values::kOwn ? kv_head : kv_head / 2 * 2 + (values == Values::kSecondOfPair ? 1 : 0);
}
#endif

struct KvBlocks {
  __nv_bfloat16* k;
  __nv_bfloat16* v;
  int64_t block_stride;  // elements from one block to the next
  int32_t block_shift;   // log2 of the tokens a block holds
  const int32_t* table;  // [S, table_width], a ring: see BatchView::block_table
  int32_t table_width;

#ifdef __CUDACC__
  // Elements from `k` or `v` to the row of `position` in K/V head `kv_head`.
  __device__ __forceinline__ int64_t Offset(int sequence, int position, int kv_head, int head_dim) const {
    const int tokens = 1 << block_shift;
    const int entry = static_cast<uint32_t>(position >> block_shift) % static_cast<uint32_t>(table_width);
    const int64_t block = table[static_cast<int64_t>(sequence) * table_width + entry];
    return block * block_stride +
           ((static_cast<int64_t>(kv_head) << block_shift) + (position & (tokens - 1))) * head_dim;
  }
#endif
};

}  // namespace batucada::cuda
