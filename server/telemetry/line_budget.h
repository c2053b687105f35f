// How many lines the log may get of what strangers can cause at will.
#pragma once

#include <cstdint>
#include <mutex>

#include "absl/time/time.h"

namespace batucada {

// Thread-safe. Times may come a little out of order.
class LineBudget {
 public:
  // `burst` at once, and `per_second` from then on.
  LineBudget(double per_second, double burst) : per_second_(per_second), burst_(burst), left_(burst) {}

  // Whether there may be a line now. If so, `left_out` is how many there were not, since the one before.
  bool Take(absl::Time now, int64_t* left_out);

 private:
  const double per_second_, burst_;
  std::mutex mutex_;  // guards what follows
  double left_;
  absl::Time filled_ = absl::InfinitePast();
  int64_t left_out_ = 0;
};

}  // namespace batucada
