// Pages that were used and that nobody has had for a second or two, of several pools: what they hold is nobody's, and
// whoever holds the bytes may give them back. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "engine/pages/page_allocator.h"
#include "engine/pages/page_copy.h"

namespace batucada {

// Pages of one pool, whose ids follow each other, and with the free ones on both sides of them, as far as that matters:
// of what lies across a border it is known then whether all of it is nobody's.
struct PoolPages {
  int32_t group = kSlots;
  Tier tier = Tier::kRunning;
  PageRange pages;
  PageRange around;
};

class IdlePages {
 public:
  // `pages` outlives this.
  void Watch(int32_t group, Tier tier, PageAllocator* pages);

  // Some of them, few enough to be worked off in a fraction of a millisecond; none: there are none now. They stay free,
  // and are told of once. A few of every large pool that sequences run in, which are dealt first, are never told of:
  // who comes alone finds them resident.
  std::optional<PoolPages> Take(absl::Time now);
  // When there may be some; InfiniteFuture: not before others were freed.
  absl::Time next() const;

 private:
  struct Pool {
    int32_t group;
    Tier tier;
    PageAllocator* pages;
    PageId kept;  // the first that may be told of
  };
  std::vector<Pool> pools_;
  absl::Time period_end_ = absl::InfinitePast();
};

}  // namespace batucada
