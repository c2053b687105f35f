// One request from outside an event loop: asks a server about itself.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "loadtest/client/exchange.h"
#include "loadtest/client/target.h"

namespace batucada::loadtest {

// Blocks. The reply's status may be any; UNAVAILABLE: no whole answer came in time.
absl::StatusOr<Reply> QuickRequest(const Target& target, const std::string& request, Duration timeout);

}  // namespace batucada::loadtest
