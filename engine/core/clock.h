// Time as a dependency, so that schedulers and simulations decide what time it is.
#pragma once

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace batucada {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
};

// Wall-clock time at construction, carried on by the steady clock: deadlines survive a jump of the system's clock.
// Thread-safe.
class RealClock : public Clock {
 public:
  absl::Time Now() override { return origin_ + absl::FromChrono(std::chrono::steady_clock::now() - steady_origin_); }

 private:
  const std::chrono::steady_clock::time_point steady_origin_ = std::chrono::steady_clock::now();
  const absl::Time origin_ = absl::Now();
};

// A clock that moves only when told to. Not thread-safe.
class ManualClock : public Clock {
 public:
  absl::Time Now() override { return now_; }
  void Advance(absl::Duration d) { now_ += d; }

 private:
  absl::Time now_ = absl::UnixEpoch();
};

}  // namespace batucada
