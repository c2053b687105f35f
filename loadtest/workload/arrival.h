// When sessions of an open loop are due: times since the start that no answer, however slow, can move.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "loadtest/clock.h"

namespace batucada::loadtest {

enum class ArrivalKind : uint8_t {
  kPoisson,   // independent arrivals: exponential gaps
  kGamma,     // gamma gaps: burstiness below 1 bursts, 1 is Poisson, above 1 is steadier (as in vLLM)
  kConstant,  // equal gaps
  kRamp,      // Poisson whose rate goes from `rate` to `ramp_to` within `ramp_time`, and stays there
  kTrace,     // the trace's own times
};

struct ArrivalOptions {
  ArrivalKind kind = ArrivalKind::kPoisson;
  double rate = 1;        // sessions per second
  double burstiness = 1;  // shape of the gamma distribution; the gaps' coefficient of variation is 1/√burstiness
  double ramp_to = 0;     // sessions per second
  Duration ramp_time{0};
  double time_scale = 1;        // of a trace: 2 is half as fast
  std::vector<Duration> trace;  // times since the trace's start, ascending
  uint64_t seed = 0;
};

// A sequence of times since the start, ascending. Not thread-safe.
class Arrivals {
 public:
  virtual ~Arrivals() = default;
  // None: no more.
  virtual std::optional<Duration> Next() = 0;
};

// INVALID_ARGUMENT: a rate, burstiness or scale that is not positive, or a trace without times.
absl::StatusOr<std::unique_ptr<Arrivals>> MakeArrivals(const ArrivalOptions& options);

}  // namespace batucada::loadtest
