// How many sequences are parked, and were.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "engine/pages/kv_need.h"

namespace batucada {

// Counts since the start, and what is there now.
struct ParkingStats {
  int64_t parked = 0;       // sequences
  GroupCounts blocks = {};  // that they take in the host's memory, by K/V group
  uint64_t times_parked = 0, times_returned = 0;
  absl::Duration paused;  // of those that came back
};

}  // namespace batucada
