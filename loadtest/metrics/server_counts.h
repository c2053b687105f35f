// What a server says it has done, whichever server it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loadtest/client/exchange.h"
#include "loadtest/client/target.h"

namespace batucada::loadtest {

// Counters since the server's start and gauges of the moment; what it does not tell is not there.
struct ServerCounts {
  std::string kind;                                    // "batucada", "vllm" or "sglang"
  std::optional<double> answered;                      // requests that ran to their stop or length
  std::optional<double> refused;                       // requests that were turned away for want of room
  std::optional<double> prompt_tokens, output_tokens;  // computed, also for requests that ended early
  std::optional<double> running, waiting;
};

// UNIMPLEMENTED: the page is of no server known here.
absl::StatusOr<ServerCounts> ReadServerCounts(std::string_view prometheus_text);

// Blocks: asks the server for /metrics. UNAVAILABLE or UNIMPLEMENTED: there are none, or none that are understood.
absl::StatusOr<ServerCounts> ScrapeServerCounts(const Target& target, const RequestHead& head);

}  // namespace batucada::loadtest
