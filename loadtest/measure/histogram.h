// Counts of durations in buckets that widen with the value: percentiles within 0.1% of any number of samples in
// constant memory, and histograms of several threads add up. Log-linear buckets after Gil Tene's HdrHistogram.
#pragma once

#include <cstdint>
#include <vector>

#include "loadtest/clock.h"

namespace batucada::loadtest {

// Not thread-safe: one per thread, merged when they are done.
class Histogram {
 public:
  Histogram();

  // Negative values count as 0, values past 2 hours as that in the percentiles; the maximum stays exact.
  void Record(Duration value);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  Duration min() const { return count_ == 0 ? Duration(0) : min_; }  // exact
  Duration max() const { return max_; }                              // exact
  // Exact up to rounding; 0 without samples. The deviation is the population's.
  double mean_ns() const;
  double stddev_ns() const;
  // The smallest value that at least `percent` (0 to 100) of the samples do not exceed; 0 without samples.
  Duration Percentile(double percent) const;

  // Upper bound and count of every bucket that holds something, ascending: for charts.
  struct Bucket {
    Duration upper;
    uint64_t count;
  };
  std::vector<Bucket> Buckets() const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  Duration min_ = Duration::max();
  Duration max_ = Duration(0);
  long double sum_ = 0;          // ns
  long double sum_squares_ = 0;  // ns²
};

}  // namespace batucada::loadtest
