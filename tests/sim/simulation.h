// A scheduler's life under a random workload, with a model that draws at random: arrivals in waves, cancels, deadlines,
// failures of the device and drains, and decode shares of any number of rows, some of which are rejected.
// Deterministic: a seed is a life, and its digest tells two lives apart.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/clock.h"
#include "tests/sim/referee.h"
#include "tests/sim/workload.h"

namespace batucada::sim {

struct Outcome {
  std::string violation;  // empty: all rules held
  uint64_t steps = 0;     // that were planned
  uint64_t accepted = 0, refused = 0, failures = 0, drains = 0;
  uint64_t kept = 0, rejected = 0;  // rows of drafts
  uint64_t parked = 0, returned = 0;
  uint64_t ended[7] = {};  // by FinishReason
  uint64_t digest = 0;
};

// Runs for so many steps, or to the first violation, and then until everybody has ended.
Outcome Simulate(uint64_t seed, uint64_t steps);

}  // namespace batucada::sim
