// Parking: an urgent sequence that finds every place taken may have running ones put aside. What they hold is copied to
// the host's memory, and back when there are places again; nothing is computed twice, and their texts stay the same.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "engine/pages/page_copy.h"
#include "engine/prefix/checkpoint.h"

namespace batucada {

struct ParkingBounds {
  TierSize room;                                 // of kParked; no slots: nobody is parked
  int32_t most_times = 3;                        // that one sequence is parked
  absl::Duration most_time = absl::Seconds(30);  // that one is parked, all times together; then it comes back before
                                                 // all others, and is not parked again
};

// Of one sequence.
struct Parking {
  StoredPages pages;      // stored: it is parked
  absl::Time since;       // while it is parked
  absl::Duration before;  // that it was parked, earlier times together
  int32_t times = 0;
  bool arriving = false;     // its state is on its way back: from the next plan on it computes
  int64_t returned_at = -1;  // the position at which it came back: it computes on before it is parked again

  bool parked() const { return pages.stored(); }
  absl::Duration Total(absl::Time now) const { return before + (parked() ? now - since : absl::ZeroDuration()); }
};

}  // namespace batucada
