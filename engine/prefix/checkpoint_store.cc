#include "engine/prefix/checkpoint_store.h"

#include <algorithm>

#include "base/status.h"

namespace batucada {

CheckpointStore::CheckpointStore(Tier tier, const TierSize& size, const std::vector<KvGroupSize>& kv,
                                 int32_t block_tokens, std::deque<BlockPool>* running)
    : tier_(tier), kv_(kv), block_tokens_(block_tokens), running_(running), slots_("checkpoints", size.slots) {
  for (size_t group = 0; group < kv_.size(); ++group) {
    blocks_.emplace_back("blocks of checkpoints", size.slots == 0 ? 0 : size.blocks.at(group));
  }
}

void CheckpointStore::WatchIdle(IdlePages* idle) {
  idle->Watch(kSlots, tier_, &slots_);
  for (size_t group = 0; group < blocks_.size(); ++group) {
    idle->Watch(static_cast<int32_t>(group), tier_, &blocks_[group]);
  }
}

bool CheckpointStore::HasRoom(int64_t position) const {
  if (slots_.available() == 0) return false;
  for (size_t group = 0; group < kv_.size(); ++group) {
    const int64_t partial = position % block_tokens_ == 0 ? 0 : 1;
    const int64_t need = shares(group) ? partial : Entries(position, group);
    const int64_t available = shares(group) ? (*running_)[group].available() : blocks_[group].available();
    if (available < need) return false;
  }
  return true;
}

bool CheckpointStore::CanHold(int64_t position) const {
  for (size_t group = 0; group < kv_.size(); ++group) {
    if (!shares(group) && blocks_[group].total() < Entries(position, group)) return false;
  }
  return slots_.total() > 0;
}

bool CheckpointStore::Store(int64_t position, const StoredPages& from, Tier from_tier, StoredPages* pages,
                            std::vector<PageCopy>* copies) {
  BATUCADA_CHECK(!pages->stored());
  if (!HasRoom(position)) return false;
  pages->slot = *slots_.AllocateOne();
  copies->push_back({.group = kSlots, .from = {from_tier, from.slot}, .to = {tier_, pages->slot}});
  pages->blocks.assign(kv_.size(), {});
  for (size_t group = 0; group < kv_.size(); ++group) {
    std::vector<PageId>& table = pages->blocks[group];
    // Where a checkpoint's blocks of a growing group lie on the device depends on nothing but the group.
    const Tier source = from_tier == Tier::kDevice && kv_[group].grows ? Tier::kRunning : from_tier;
    const auto entries = static_cast<size_t>(Entries(position, group));
    const size_t full = shares(group) ? static_cast<size_t>(position / block_tokens_) : 0;
    for (size_t i = 0; i < full; ++i) {
      (*running_)[group].Cache(from.blocks[group][i]);
      table.push_back(from.blocks[group][i]);
    }
    for (size_t i = full; i < entries; ++i) {
      table.push_back(shares(group) ? *(*running_)[group].AllocateCached() : *blocks_[group].AllocateOne());
      copies->push_back({.group = static_cast<int32_t>(group),
                         .from = {source, from.blocks[group][i]},
                         .to = {TierOf(group), table.back()}});
    }
  }
  return true;
}

bool CheckpointStore::Reserve(int64_t position, StoredPages* pages) {
  BATUCADA_CHECK(tier_ == Tier::kHost && !pages->stored());
  if (!HasRoom(position)) return false;
  pages->slot = *slots_.AllocateOne();
  pages->blocks.assign(kv_.size(), {});
  for (size_t group = 0; group < kv_.size(); ++group) {
    pages->blocks[group] = *blocks_[group].Allocate(static_cast<int32_t>(Entries(position, group)));
  }
  return true;
}

void CheckpointStore::Release(StoredPages* pages) {
  if (!pages->stored()) return;
  slots_.Release(pages->slot);
  for (size_t group = 0; group < kv_.size(); ++group) {
    for (const PageId block : pages->blocks[group]) {
      shares(group) ? (*running_)[group].Uncache(block) : blocks_[group].Release(block);
    }
  }
  *pages = {};
}

void CheckpointStore::Load(int64_t position, const StoredPages& pages, PageId slot,
                           const std::vector<std::vector<PageId>>& blocks, std::vector<PageCopy>* copies) const {
  copies->push_back({.group = kSlots, .from = {tier_, pages.slot}, .to = {Tier::kRunning, slot}});
  for (size_t group = 0; group < kv_.size(); ++group) {
    const auto entries = static_cast<size_t>(Entries(position, group));
    for (size_t i = SharedBlocks(position, pages, group).size(); i < entries; ++i) {
      copies->push_back({.group = static_cast<int32_t>(group),
                         .from = {TierOf(group), pages.blocks[group][i]},
                         .to = {Tier::kRunning, blocks[group][i]}});
    }
  }
}

std::span<const PageId> CheckpointStore::SharedBlocks(int64_t position, const StoredPages& pages, size_t group) const {
  if (!shares(group)) return {};
  return std::span(pages.blocks[group]).first(static_cast<size_t>(position / block_tokens_));
}

}  // namespace batucada
