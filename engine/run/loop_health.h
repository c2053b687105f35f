// Whether a StepLoop gets on, for who must not wait for a plan or a commit to know it.
#pragma once

#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/sync.h"

namespace batucada {

// Thread-safe. Its lock is held for a copy of a status at most, and no other is taken meanwhile.
class LoopHealth {
 public:
  explicit LoopHealth(absl::Time now) : last_progress_(now) {}

  // Work has come where there was none, or a step has finished.
  void Progress(absl::Time now) {
    const std::lock_guard lock(mutex_);
    last_progress_ = now;
    idle_ = false;
  }
  // There is work, or none.
  void SetIdle(bool idle) {
    const std::lock_guard lock(mutex_);
    idle_ = idle;
  }
  void Fail(absl::Status status) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(status);
  }
  absl::Status failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  // How long work has been there without a finished step.
  absl::Duration SinceProgress(absl::Time now) const {
    const std::lock_guard lock(mutex_);
    return idle_ ? absl::ZeroDuration() : now - last_progress_;
  }

 private:
  mutable Mutex mutex_;  // guards what follows
  absl::Status failure_;
  absl::Time last_progress_;
  bool idle_ = true;
};

}  // namespace batucada
