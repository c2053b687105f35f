// The bytes behind slots and blocks, allocated once, and the views kernels see of them.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/state/page_allocator.h"
#include "engine/state/state_shape.h"
#include "kernels/batch_view.h"
#include "kernels/ops.h"

namespace batucada {

// Fixed-size recurrent state: [num_slots + 1][mamba layer]{ssm, conv}. The last slot is scratch, for the padded rows of
// recorded steps; live state is never used as padding.
class RecurrentPool {
 public:
  static absl::StatusOr<RecurrentPool> Create(const StateShape& shape, int32_t num_slots, Ops& ops);

  PageId scratch() const { return num_slots_; }
  RecurrentView Layer(int32_t mamba_layer) const;

 private:
  RecurrentPool(const StateShape& shape, int32_t num_slots, Buffer storage)
      : shape_(shape), num_slots_(num_slots), storage_(std::move(storage)) {}
  StateShape shape_;
  int32_t num_slots_;
  Buffer storage_;
};

// Keys and values in blocks of tokens: [num_blocks + 1][attention layer][K, V][kv_heads][block_tokens][head_dim]. The
// last block is scratch.
class KvPool {
 public:
  static absl::StatusOr<KvPool> Create(const StateShape& shape, int32_t num_blocks, Ops& ops);

  PageId scratch() const { return num_blocks_; }
  KvView Layer(int32_t attention_layer) const;

 private:
  KvPool(const StateShape& shape, int32_t num_blocks, Buffer storage)
      : shape_(shape), num_blocks_(num_blocks), storage_(std::move(storage)) {}
  StateShape shape_;
  int32_t num_blocks_;
  Buffer storage_;
};

}  // namespace batucada
