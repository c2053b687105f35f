// A mutex that is given in the order in which it was asked for: who works by steps, letting go of it between them, lets
// those in who wait. A std::mutex may go to the same thread again and again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace batucada {

// For std::lock_guard.
class FairMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const uint64_t turn = next_++;
    changed_.wait(lock, [&] { return turn == served_; });
  }
  void unlock() {
    {
      const std::lock_guard lock(mutex_);
      ++served_;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards what follows, for moments
  std::condition_variable changed_;
  uint64_t next_ = 0, served_ = 0;
};

}  // namespace batucada
