#include "loadtest/measure/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace batucada::loadtest {
namespace {

// Values below 2^kExactBits ns have a bucket each; every doubling above is cut into 2^(kExactBits-1) buckets.
constexpr int kExactBits = 11;
constexpr int kMaxBits = 43;  // 2^43 ns: 2.4 hours
constexpr uint64_t kExact = uint64_t{1} << kExactBits;
constexpr uint64_t kPerDoubling = kExact / 2;
constexpr uint64_t kLargest = (uint64_t{1} << kMaxBits) - 1;
constexpr size_t kBuckets = kExact + (kMaxBits - kExactBits) * kPerDoubling;

size_t IndexOf(uint64_t value) {
  if (value < kExact) return value;
  const int shift = std::bit_width(value) - kExactBits;
  return kExact + (shift - 1) * kPerDoubling + (value >> shift) - kPerDoubling;
}

// The largest value of a bucket.
uint64_t UpperOf(size_t index) {
  if (index < kExact) return index;
  const uint64_t doubling = (index - kExact) / kPerDoubling;
  const uint64_t within = (index - kExact) % kPerDoubling + kPerDoubling;
  return ((within + 1) << (doubling + 1)) - 1;
}

}  // namespace

Histogram::Histogram() : counts_(kBuckets) {}

void Histogram::Record(Duration value) {
  value = std::max(value, Duration(0));
  const auto ns = static_cast<uint64_t>(value.count());
  ++counts_[IndexOf(std::min(ns, kLargest))];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += ns;
  sum_squares_ += static_cast<long double>(ns) * ns;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
  sum_squares_ += other.sum_squares_;
}

double Histogram::mean_ns() const { return count_ == 0 ? 0 : static_cast<double>(sum_ / count_); }

double Histogram::stddev_ns() const {
  if (count_ == 0) return 0;
  const long double mean = sum_ / count_;
  return std::sqrt(static_cast<double>(std::max(sum_squares_ / count_ - mean * mean, 0.0L)));
}

Duration Histogram::Percentile(double percent) const {
  if (count_ == 0) return Duration(0);
  // A millionth of a sample less: 7% of 100 are 7, however 0.07 is rounded.
  const double wanted = std::ceil(percent / 100 * static_cast<double>(count_) - 1e-6);
  const auto rank = std::clamp<uint64_t>(static_cast<uint64_t>(std::max(wanted, 0.0)), 1, count_);
  uint64_t below = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    below += counts_[i];
    if (below >= rank) return std::clamp(Duration(UpperOf(i)), min_, max_);
  }
  return max_;
}

std::vector<Histogram::Bucket> Histogram::Buckets() const {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] != 0) buckets.push_back({.upper = Duration(UpperOf(i)), .count = counts_[i]});
  }
  return buckets;
}

}  // namespace batucada::loadtest
