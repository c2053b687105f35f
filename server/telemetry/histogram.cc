#include "server/telemetry/histogram.h"

#include <algorithm>

#include "base/status.h"

namespace batucada {

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds) {
  BATUCADA_CHECK(bounds.size() <= kMaxBounds && std::is_sorted(bounds.begin(), bounds.end()));
}

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

}  // namespace batucada
