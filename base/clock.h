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

// The time that deadlines are told in: the wall clock's when the process first asked, carried on by the steady clock,
// so that neither waits nor deadlines notice a jump of the system's clock. Never compare it with absl::Now(), which is
// for people to read. Thread-safe.
inline absl::Time ProcessNow() {
  struct Origin {
    std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
    absl::Time wall = absl::Now();
  };
  static const Origin origin;
  return origin.wall + absl::FromChrono(std::chrono::steady_clock::now() - origin.steady);
}

// Thread-safe.
class RealClock : public Clock {
 public:
  absl::Time Now() override { return ProcessNow(); }
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
