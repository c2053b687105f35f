// The pages that checkpoints lie in: one tier of them. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "engine/pages/block_pool.h"
#include "engine/pages/idle_pages.h"
#include "engine/pages/kv_need.h"
#include "engine/pages/page_copy.h"
#include "engine/prefix/checkpoint.h"

namespace batucada {

class CheckpointStore {
 public:
  // `running`: the pools that sequences' blocks come from; it must outlive the store.
  CheckpointStore(Tier tier, const TierSize& size, const std::vector<KvGroupSize>& kv, int32_t block_tokens,
                  std::deque<BlockPool>* running);

  bool exists() const { return slots_.total() > 0; }
  int32_t capacity() const { return slots_.total(); }
  int32_t stored() const { return slots_.used(); }

  // Has `idle` watch the tier's own pages.
  void WatchIdle(IdlePages* idle);

  // Whether the tier, were it empty, would have room for a state of `position` tokens.
  bool CanHold(int64_t position) const;
  // Pages for a state of `position` tokens, and the copies that fill them from pages of another tier, appended to
  // `copies`. False, and nothing is changed, if there are not enough.
  bool Store(int64_t position, const StoredPages& from, Tier from_tier, StoredPages* pages,
             std::vector<PageCopy>* copies);
  // The same without copies: somebody else fills them. REQUIRES: the tier is kHost.
  bool Reserve(int64_t position, StoredPages* pages);
  void Release(StoredPages* pages);

  // Appends the copies that bring a state of `position` tokens to a sequence's pages. Full blocks that are shared are
  // not copied: the sequence's table holds them already, see SharedBlocks.
  void Load(int64_t position, const StoredPages& pages, PageId slot, const std::vector<std::vector<PageId>>& blocks,
            std::vector<PageCopy>* copies) const;
  // Blocks at the begin of the group's table that a sequence takes by reference: kDevice has the full ones of groups
  // that grow.
  std::span<const PageId> SharedBlocks(int64_t position, const StoredPages& pages, size_t group) const;

 private:
  // Entries of a group's table that hold something of a state of `position` tokens.
  int64_t Entries(int64_t position, size_t group) const { return kv_[group].BlocksFor(position, block_tokens_); }
  bool shares(size_t group) const { return tier_ == Tier::kDevice && kv_[group].grows; }
  Tier TierOf(size_t group) const { return shares(group) ? Tier::kRunning : tier_; }
  // Blocks that the state needs of this tier's own, and whether there are so many.
  bool HasRoom(int64_t position) const;

  const Tier tier_;
  const std::vector<KvGroupSize> kv_;
  const int32_t block_tokens_;
  std::deque<BlockPool>* const running_;
  PageAllocator slots_;
  std::deque<PageAllocator> blocks_;  // by K/V group
};

}  // namespace batucada
