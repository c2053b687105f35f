#include "engine/state/pools.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

// Pools of a model without such layers are empty, but views of them still need an address.
int64_t AtLeastOne(int64_t bytes) { return std::max<int64_t>(bytes, 1); }

}  // namespace

absl::StatusOr<RecurrentPool> RecurrentPool::Create(const StateShape& shape, int32_t num_slots, Ops& ops) {
  BATUCADA_ASSIGN_OR_RETURN(
      Buffer storage,
      ops.Allocate(static_cast<size_t>(AtLeastOne((num_slots + 1) * shape.SlotBytes())), "recurrent slots"));
  return RecurrentPool(shape, num_slots, std::move(storage));
}

RecurrentView RecurrentPool::Layer(int32_t mamba_layer) const {
  BATUCADA_CHECK(mamba_layer >= 0 && mamba_layer < shape_.mamba_layers);
  char* layer = storage_.As<char>() + mamba_layer * (shape_.SsmBytes() + shape_.ConvBytes());
  return {.ssm = reinterpret_cast<float*>(layer), .conv = layer + shape_.SsmBytes(), .slot_bytes = shape_.SlotBytes()};
}

absl::StatusOr<KvPool> KvPool::Create(const StateShape& shape, int32_t num_blocks, Ops& ops) {
  BATUCADA_ASSIGN_OR_RETURN(
      Buffer storage,
      ops.Allocate(static_cast<size_t>(AtLeastOne((num_blocks + 1) * shape.BlockBytes())), "K/V blocks"));
  return KvPool(shape, num_blocks, std::move(storage));
}

KvView KvPool::Layer(int32_t attention_layer) const {
  BATUCADA_CHECK(attention_layer >= 0 && attention_layer < shape_.attention_layers);
  const int64_t elements = shape_.BlockElements();
  const auto size = static_cast<int64_t>(SizeOf(shape_.activation));
  char* k = storage_.As<char>() + 2 * attention_layer * elements * size;
  return {.k = k,
          .v = k + elements * size,
          .block_stride = 2 * shape_.attention_layers * elements,
          .block_tokens = shape_.block_tokens};
}

}  // namespace batucada
