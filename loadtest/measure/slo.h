// Service-level objectives: what makes an answered request a good one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loadtest/clock.h"

namespace batucada::loadtest {

struct Slo {
  std::optional<Duration> ttft, tpot, e2el;  // each at most so long

  bool Any() const { return ttft || tpot || e2el; }
  bool Holds(Duration request_ttft, Duration request_tpot, Duration request_e2el) const;
};

// "ttft:200", "tpot:50", "e2el:5000", in milliseconds, as vLLM's --goodput has it. INVALID_ARGUMENT: one that is not.
absl::StatusOr<Slo> ParseSlo(const std::vector<std::string>& pairs);

}  // namespace batucada::loadtest
