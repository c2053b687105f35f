#include "engine/state/pools.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace batucada {
namespace {

// Pools of a model without such layers are empty, but views of them still need an address.
size_t AtLeastOne(int64_t bytes) { return static_cast<size_t>(std::max<int64_t>(bytes, 1)); }

}  // namespace

absl::StatusOr<StatePools::Pool> StatePools::MakePool(int64_t page_bytes, const Counts& pages, int32_t scratch,
                                                      const char* what, Ops& ops) {
  const auto [running, device, host, parked] = pages;
  Pool pool{.page_bytes = page_bytes, .first_cached = running + scratch, .first_parked = host};
  const int64_t on_device = int64_t{running} + scratch + device, on_host = int64_t{host} + parked;
  BATUCADA_ASSIGN_OR_RETURN(pool.device, ops.device().Allocate(AtLeastOne(on_device * page_bytes), what));
  if (on_host > 0) {
    BATUCADA_ASSIGN_OR_RETURN(pool.host, ops.device().AllocateHost(AtLeastOne(on_host * page_bytes), what));
  }
  return pool;
}

absl::StatusOr<StatePools> StatePools::Create(const StateShape& shape, const PoolSizes& sizes, Ops& ops) {
  BATUCADA_CHECK(sizes.running.blocks.size() == shape.kv.size() && shape.kv.size() <= size_t{kMaxKvGroups});
  StatePools pools(shape, sizes);
  int64_t offset = 0;
  for (const RecurrentGroup& g : shape.recurrent) {
    pools.group_offset_.push_back(offset);
    offset += g.layers * (shape.SsmBytes(g) + shape.ConvBytes(g));
  }
  const TierSize &running = sizes.running, &device = sizes.device, &host = sizes.host, &parked = sizes.parked;
  const Counts slots = {running.slots, device.slots, host.slots, parked.slots};
  const int32_t unnamed = 1 + sizes.drafts;
  BATUCADA_ASSIGN_OR_RETURN(pools.slots_, MakePool(shape.SlotBytes(), slots, unnamed, "recurrent slots", ops));
  BATUCADA_ASSIGN_OR_RETURN(pools.last_token_, MakePool(sizeof(int32_t), slots, unnamed, "last tokens", ops));
  BATUCADA_ASSIGN_OR_RETURN(
      pools.next_position_,
      ops.device().Allocate(static_cast<size_t>(running.slots + unnamed) * sizeof(int32_t), "next positions"));
  BATUCADA_ASSIGN_OR_RETURN(pools.controls_, MakePool(shape.ControlBytes(), {sizes.control_rows, 0, 0, parked.slots}, 0,
                                                      "sampling controls", ops));
  const auto blocks_of = [](const TierSize& tier, size_t group) { return tier.slots == 0 ? 0 : tier.blocks.at(group); };
  for (size_t g = 0; g < shape.kv.size(); ++g) {
    const Counts counts = {running.blocks[g], blocks_of(device, g), blocks_of(host, g), blocks_of(parked, g)};
    BATUCADA_ASSIGN_OR_RETURN(Pool blocks, MakePool(shape.BlockBytes(shape.kv[g]), counts, 1, "K/V blocks", ops));
    pools.blocks_.push_back(std::move(blocks));
  }
  return pools;
}

std::vector<CopyPiece> StatePools::Pieces(const std::vector<PageCopy>& copies) const {
  std::vector<CopyPiece> pieces;
  const auto add = [&](const Pool& pool, const PageCopy& copy) {
    if (pool.page_bytes == 0) return;  // a model without such layers
    pieces.push_back({pool.Page(copy.to), pool.Page(copy.from), static_cast<size_t>(pool.page_bytes)});
  };
  for (const PageCopy& copy : copies) {
    if (copy.group == kSlots) {
      add(slots_, copy);
      add(last_token_, copy);
    } else if (copy.group == kControls) {
      add(controls_, copy);
    } else {
      add(blocks_[static_cast<size_t>(copy.group)], copy);
    }
  }
  return pieces;
}

void StatePools::HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) const {
  const auto add = [&](const Pool& pool) {
    if (pool.page_bytes > 0) out->emplace_back(pool.Page({Tier::kHost, page}), static_cast<size_t>(pool.page_bytes));
  };
  if (group != kSlots) return add(blocks_[static_cast<size_t>(group)]);
  add(slots_);
  add(last_token_);
}

void StatePools::Discard(const PoolPages& pages, Device& device) {
  // The system takes back pages of its own alone, which may be as large: also those that reach beyond the border.
  constexpr int64_t kBeyond = int64_t{2} << 20;
  const auto discard = [&](const Pool& pool) {
    const int64_t first = pages.pages.first * pool.page_bytes, end = first + pages.pages.count * pool.page_bytes;
    const int64_t least = pages.around.first * pool.page_bytes, most = least + pages.around.count * pool.page_bytes;
    const int64_t from = std::max(first - kBeyond, least), to = std::min(end + kBeyond, most);
    device.Discard(pool.Page({pages.tier, 0}) + from, static_cast<size_t>(to - from));
  };
  if (pages.group >= 0) return discard(blocks_[static_cast<size_t>(pages.group)]);
  if (pages.group == kSlots) discard(slots_);
  if (pages.group == kControls || pages.tier == Tier::kParked) discard(controls_);
}

RecurrentView StatePools::Recurrent(CacheId cache) const {
  const auto group = static_cast<size_t>(cache.group);
  BATUCADA_CHECK(group < shape_.recurrent.size(), "no recurrent group ", cache.group);
  const RecurrentGroup& g = shape_.recurrent[group];
  BATUCADA_CHECK(cache.layer >= 0 && cache.layer < g.layers);
  char* layer =
      slots_.device.As<char>() + group_offset_[group] + cache.layer * (shape_.SsmBytes(g) + shape_.ConvBytes(g));
  return {.ssm = reinterpret_cast<float*>(layer), .conv = layer + shape_.SsmBytes(g), .slot_bytes = shape_.SlotBytes()};
}

KvView StatePools::Kv(CacheId cache) const {
  const auto group = static_cast<size_t>(cache.group);
  BATUCADA_CHECK(group < shape_.kv.size(), "no K/V group ", cache.group);
  const KvGroup& g = shape_.kv[group];
  BATUCADA_CHECK(cache.layer >= 0 && cache.layer < g.layers);
  const int64_t elements = shape_.BlockElements(g);
  const auto size = static_cast<int64_t>(SizeOf(shape_.activation));
  char* k = blocks_[group].device.As<char>() + 2 * cache.layer * elements * size;
  return {
      .k = k, .v = k + elements * size, .block_stride = 2 * g.layers * elements, .block_tokens = shape_.block_tokens};
}

}  // namespace batucada
