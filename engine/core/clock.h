// Time as a dependency, so that schedulers and simulations decide what time it is.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace batucada {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
};

class RealClock : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
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
