// The whole program: looks at the server, loads it once or for every rate of a sweep, and writes the reports.
#pragma once

#include "absl/status/statusor.h"
#include "loadtest/options.h"

namespace batucada::loadtest {

enum class Verdict : uint8_t { kClean, kRequestsFailed, kInterrupted };

// Blocks until done; after SIGINT, until what runs has ended. UNAVAILABLE: the server cannot be reached, or a report
// cannot be written.
absl::StatusOr<Verdict> RunCampaign(const Options& options);

}  // namespace batucada::loadtest
