// Deals sessions to the threads: which one is next, and when it is due.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "loadtest/clock.h"
#include "loadtest/workload/arrival.h"

namespace batucada::loadtest {

struct Ticket {
  uint64_t index = 0;  // of the session
  Duration due{0};     // since the start; in a closed loop 0: at once
};

// Thread-safe.
class Tickets {
 public:
  struct Limits {
    uint64_t sessions = 0;  // at most so many
    Duration duration{0};   // of arrivals since the start; 0: no bound
  };
  // Without arrivals: a closed loop, whose clients come when they are free.
  Tickets(std::unique_ptr<Arrivals> arrivals, Limits limits) : arrivals_(std::move(arrivals)), limits_(limits) {}

  // `elapsed`: since the start. None: no session is to start any more.
  std::optional<Ticket> Take(Duration elapsed) {
    const std::lock_guard lock(mutex_);
    if (stopped_ || next_ >= limits_.sessions) return std::nullopt;
    Duration due{0};
    if (arrivals_ != nullptr) {
      const std::optional<Duration> arrival = arrivals_->Next();
      if (!arrival) return std::nullopt;
      due = *arrival;
    }
    if (limits_.duration > Duration(0) && std::max(due, arrivals_ == nullptr ? elapsed : due) >= limits_.duration) {
      stopped_ = true;
      return std::nullopt;
    }
    return Ticket{.index = next_++, .due = due};
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

 private:
  std::mutex mutex_;
  const std::unique_ptr<Arrivals> arrivals_;
  const Limits limits_;
  uint64_t next_ = 0;
  bool stopped_ = false;
};

}  // namespace batucada::loadtest
