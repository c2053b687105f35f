// Whether a StepLoop gets on, for who must not wait for a plan or a commit to know it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/sync.h"

namespace batucada {

// Thread-safe. Where nothing has failed nobody takes the lock, which is held for a copy of a status at most.
class LoopHealth {
 public:
  explicit LoopHealth(absl::Time now) : last_progress_(absl::ToUnixNanos(now)) {}

  // Work has come where there was none, or a step has finished.
  void Progress(absl::Time now) {
    last_progress_.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
    idle_.store(false, std::memory_order_release);  // not to be seen before the progress
  }
  // There is work, or none.
  void SetIdle(bool idle) { idle_.store(idle, std::memory_order_release); }
  void Fail(absl::Status status) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(status);
    failed_.store(!failure_.ok(), std::memory_order_release);
  }
  absl::Status failure() const {
    if (!failed_.load(std::memory_order_acquire)) return absl::OkStatus();
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  // How long work has been there without a finished step.
  absl::Duration SinceProgress(absl::Time now) const {
    if (idle_.load(std::memory_order_acquire)) return absl::ZeroDuration();
    return now - absl::FromUnixNanos(last_progress_.load(std::memory_order_relaxed));
  }

 private:
  std::atomic<int64_t> last_progress_;  // in Unix's nanoseconds
  std::atomic<bool> idle_ = true, failed_ = false;
  mutable Mutex mutex_;  // guards what follows
  absl::Status failure_;
};

}  // namespace batucada
