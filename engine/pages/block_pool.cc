#include "engine/pages/block_pool.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace batucada {

BlockPool::BlockPool(std::string name, int32_t blocks)
    : pages_(std::move(name), blocks), cached_(static_cast<size_t>(blocks)) {}

void BlockPool::Share(PageId block) {
  if (OnlyCached(block)) --reclaimable_;
  pages_.Share(block);
}

void BlockPool::Release(const std::vector<PageId>& blocks) {
  for (const PageId block : blocks) {
    pages_.Release(block);
    if (OnlyCached(block)) ++reclaimable_;
  }
}

int32_t BlockPool::FreedBy(const std::vector<PageId>& blocks) const {
  return static_cast<int32_t>(std::count_if(blocks.begin(), blocks.end(), [this](PageId block) {
    return pages_.references(block) == cached_[static_cast<size_t>(block)] + 1;
  }));
}

void BlockPool::Cache(PageId block) {
  pages_.Share(block);
  ++cached_[static_cast<size_t>(block)];
}

void BlockPool::Uncache(PageId block) {
  int32_t& cached = cached_[static_cast<size_t>(block)];
  BATUCADA_CHECK(cached > 0, "the cache does not hold block ", block);
  const bool only = OnlyCached(block);
  --cached;
  pages_.Release(block);
  if (only && cached == 0) --reclaimable_;
}

std::optional<PageId> BlockPool::AllocateCached() {
  const std::optional<PageId> block = pages_.AllocateOne();
  if (!block) return std::nullopt;
  cached_[static_cast<size_t>(*block)] = 1;
  ++reclaimable_;
  return block;
}

}  // namespace batucada
