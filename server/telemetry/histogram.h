// A histogram that a hot thread adds to and another reads, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace batucada {

// Buckets by upper bound, and one more for what is above all. Thread-safe; a reader may see an observation in the count
// and not yet in the sum.
class Histogram {
 public:
  static constexpr size_t kMaxBounds = 24;

  explicit Histogram(std::span<const double> bounds);  // ascending, at most kMaxBounds, outliving this

  void Observe(double value);

  std::span<const double> bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }  // not cumulative
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<const double> bounds_;
  std::array<std::atomic<uint64_t>, kMaxBounds + 1> counts_{};
  std::atomic<double> sum_{0};
};

}  // namespace batucada
