// What a scrape of the metrics sees of the store.
#pragma once

#include <cstdint>

namespace batucada {

struct StoreStats {
  int64_t responses = 0, conversations = 0, items = 0;  // there are
  int64_t bytes = 0, capacity_bytes = 0;
  uint64_t evicted = 0, expired = 0;  // responses and conversations that made room, or that nobody used for too long
  uint64_t failures = 0;              // writes that came to nothing
};

}  // namespace batucada
