// The blocks of one K/V group: dealt to sequences, and shared by reference with the cache of prefixes once they are
// full. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/pages/page_allocator.h"

namespace batucada {

class BlockPool {
 public:
  BlockPool(std::string name, int32_t blocks);

  // For sequences: all `count` blocks or none.
  std::optional<std::vector<PageId>> Allocate(int32_t count) { return pages_.Allocate(count); }
  // One more sequence holds a block that is in use.
  void Share(PageId block);
  void Release(const std::vector<PageId>& blocks);
  // Of the blocks that a sequence holds, those that nobody but the cache would hold without it.
  int32_t FreedBy(const std::vector<PageId>& blocks) const;

  // For the cache: one more reference of its to a block in use; and one less.
  void Cache(PageId block);
  void Uncache(PageId block);
  // A block of the cache's own; none if none is free.
  std::optional<PageId> AllocateCached();

  // For whoever looks which of them are idle.
  PageAllocator* pages() { return &pages_; }

  int32_t available() const { return pages_.available(); }
  int32_t used() const { return pages_.used(); }
  // Blocks that nobody but the cache holds: free as soon as it lets go of them.
  int32_t reclaimable() const { return reclaimable_; }

 private:
  bool OnlyCached(PageId block) const {
    const int32_t cached = cached_[static_cast<size_t>(block)];
    return cached > 0 && pages_.references(block) == cached;
  }

  PageAllocator pages_;
  std::vector<int32_t> cached_;  // by block: references of the cache
  int32_t reclaimable_ = 0;
};

}  // namespace batucada
