// Working memory for calls that any number of threads make at once: each call takes one, so that none of them shares or
// allocates, and gives it back for the next. As many exist as calls have ever run at once, but no more than kMaxIdle
// stay when idle.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace batucada {

// Thread-safe.
template <typename Scratch>
class ScratchPool {
 public:
  static constexpr size_t kMaxIdle = 32;

  class Lease {
   public:
    Lease(ScratchPool* pool, std::unique_ptr<Scratch> scratch) : pool_(pool), scratch_(std::move(scratch)) {}
    ~Lease() { pool_->Return(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Scratch& operator*() const { return *scratch_; }

   private:
    ScratchPool* pool_;
    std::unique_ptr<Scratch> scratch_;
  };

  Lease Take() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Scratch> scratch = std::move(idle_.back());
        idle_.pop_back();
        return Lease(this, std::move(scratch));
      }
    }
    return Lease(this, std::make_unique<Scratch>());
  }

 private:
  void Return(std::unique_ptr<Scratch> scratch) {
    std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(scratch));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_;  // guarded by mutex_
};

}  // namespace batucada
