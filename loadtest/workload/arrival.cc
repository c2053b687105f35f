#include "loadtest/workload/arrival.h"

#include <cmath>
#include <random>

#include <fmt/format.h>

#include "loadtest/random.h"

namespace batucada::loadtest {
namespace {

// The sums of independent gaps; gaps stay in doubles, so that rounding to nanoseconds does not add up.
class Gaps : public Arrivals {
 public:
  explicit Gaps(const ArrivalOptions& options)
      : random_(options.seed, Use::kArrivals), kind_(options.kind), mean_s_(1 / options.rate),
        gamma_(options.burstiness, mean_s_ / options.burstiness) {}

  std::optional<Duration> Next() override {
    const Duration due = FromSeconds(at_s_);
    at_s_ += Gap();
    return due;
  }

 private:
  double Gap() {
    switch (kind_) {
      case ArrivalKind::kConstant: return mean_s_;
      case ArrivalKind::kGamma: return gamma_(random_);
      default: return -std::log(random_.Unit()) * mean_s_;
    }
  }

  Random random_;
  const ArrivalKind kind_;
  const double mean_s_;
  std::gamma_distribution<double> gamma_;
  double at_s_ = 0;  // the first is due at once
};

// A Poisson process of changing rate: unit-rate arrivals, carried through the inverse of the rate's integral
// L(t) = rate·t + (ramp_to - rate)·t²/(2·ramp_time).
class Ramp : public Arrivals {
 public:
  explicit Ramp(const ArrivalOptions& options)
      : random_(options.seed, Use::kArrivals), from_(options.rate), to_(options.ramp_to),
        time_s_(ToSeconds(options.ramp_time)) {}

  std::optional<Duration> Next() override {
    const Duration due = FromSeconds(TimeOf(expected_));
    expected_ += -std::log(random_.Unit());
    return due;
  }

 private:
  double TimeOf(double expected) const {
    const double by_end = (from_ + to_) / 2 * time_s_;
    if (expected >= by_end) return time_s_ + (expected - by_end) / to_;
    // The form of the quadratic's root that also holds where the slope is 0.
    const double slope = (to_ - from_) / time_s_;
    return 2 * expected / (from_ + std::sqrt(from_ * from_ + 2 * slope * expected));
  }

  Random random_;
  const double from_, to_, time_s_;
  double expected_ = 0;  // arrivals, in the mean, until the next one
};

class Trace : public Arrivals {
 public:
  explicit Trace(const ArrivalOptions& options) : times_(options.trace), scale_(options.time_scale) {}

  std::optional<Duration> Next() override {
    if (next_ == times_.size()) return std::nullopt;
    return FromSeconds(ToSeconds(times_[next_++] - times_.front()) * scale_);
  }

 private:
  const std::vector<Duration> times_;
  const double scale_;
  size_t next_ = 0;
};

absl::Status CheckPositive(const char* flag, double value) {
  if (value > 0 && value < 1e9) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} is {}: it must be more than 0 and less than 1e9", flag, value));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Arrivals>> MakeArrivals(const ArrivalOptions& options) {
  absl::Status status = CheckPositive("--rate", options.rate);
  if (status.ok()) status = CheckPositive("--burstiness", options.burstiness);
  if (status.ok()) status = CheckPositive("--time-scale", options.time_scale);
  if (status.ok() && options.kind == ArrivalKind::kRamp) {
    status = CheckPositive("--ramp-to", options.ramp_to);
    if (status.ok()) status = CheckPositive("--ramp-time", ToSeconds(options.ramp_time));
  }
  if (status.ok() && options.kind == ArrivalKind::kTrace && options.trace.empty()) {
    status = absl::InvalidArgumentError("--arrival trace needs --workload trace, whose times it takes");
  }
  if (!status.ok()) return status;
  switch (options.kind) {
    case ArrivalKind::kRamp: return std::make_unique<Ramp>(options);
    case ArrivalKind::kTrace: return std::make_unique<Trace>(options);
    default: return std::make_unique<Gaps>(options);
  }
}

}  // namespace batucada::loadtest
