// How far something is that takes long, in bytes: counted by who does it, read by who shows it (base/progress.h).
#pragma once

#include <atomic>
#include <cstdint>

namespace batucada {

// Thread-safe.
struct ByteProgress {
  std::atomic<int64_t> total{0};
  std::atomic<int64_t> there{0};  // of them, those that were there before included
  std::atomic<int64_t> moved{0};  // since it began: what the rate counts
};

}  // namespace batucada
