// What the progress line shows: counted by all threads while they run.
#pragma once

#include <atomic>
#include <cstdint>

namespace batucada::loadtest {

struct LiveCounts {
  std::atomic<int64_t> running{0}, peak_running{0};  // requests under way
  std::atomic<int64_t> completed{0}, failed{0};
  std::atomic<int64_t> text_events{0};

  void Begin() {
    const int64_t now = running.fetch_add(1, std::memory_order_relaxed) + 1;
    int64_t peak = peak_running.load(std::memory_order_relaxed);
    while (now > peak && !peak_running.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
  }
  void End(bool good) {
    running.fetch_sub(1, std::memory_order_relaxed);
    (good ? completed : failed).fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace batucada::loadtest
