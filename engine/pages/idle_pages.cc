#include "engine/pages/idle_pages.h"

#include <algorithm>

namespace batucada {
namespace {

constexpr absl::Duration kPeriod = absl::Seconds(1);
constexpr int32_t kMostPages = 4;     // of some megabytes each, where the model is large
constexpr int32_t kMostAround = 256;  // on each side

PageRange From(PageId least, PageRange some) {
  const PageId first = std::max(some.first, least);
  return {.first = first, .count = std::max(some.first + some.count - first, 0)};
}

// `some`, and the free ones beside them, from `least` on.
PageRange FreeAround(const PageAllocator& pages, PageRange some, PageId least) {
  least = std::max(some.first - kMostAround, least);
  const PageId most = std::min(some.first + some.count + kMostAround, pages.total());
  PageId first = some.first, end = some.first + some.count;
  while (first > least && pages.references(first - 1) == 0) --first;
  while (end < most && pages.references(end) == 0) ++end;
  return {.first = first, .count = end - first};
}

}  // namespace

void IdlePages::Watch(int32_t group, Tier tier, PageAllocator* pages) {
  constexpr int32_t kKept = 8, kPartKept = 16;
  const PageId kept = tier == Tier::kRunning ? std::min(kKept, pages->total() / kPartKept) : 0;
  pools_.push_back({group, tier, pages, kept});
}

std::optional<PoolPages> IdlePages::Take(absl::Time now) {
  if (now >= period_end_) {
    period_end_ = now + kPeriod;
    for (const Pool& pool : pools_) pool.pages->EndPeriod();
  }
  for (const Pool& pool : pools_) {
    while (const std::optional<PageRange> some = pool.pages->TakeIdle(kMostPages)) {
      const PageRange told = From(pool.kept, *some);
      if (told.count > 0) return PoolPages{pool.group, pool.tier, told, FreeAround(*pool.pages, told, pool.kept)};
    }
  }
  return std::nullopt;
}

absl::Time IdlePages::next() const {
  absl::Time next = absl::InfiniteFuture();
  for (const Pool& pool : pools_) {
    if (pool.pages->has_idle()) return absl::InfinitePast();
    if (pool.pages->has_used()) next = period_end_;
  }
  return next;
}

}  // namespace batucada
