// The HTTP side of a collector of spans.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/telemetry/span_exporter.h"

namespace batucada {

// Where spans go: below http://localhost:4318 or the like to /v1/traces. The port may be left out; a path may follow.
struct CollectorAddress {
  std::string host;  // without the brackets of an IPv6 address
  std::string port = "4318";
  std::string target = "/v1/traces";
};

// INVALID_ARGUMENT: one sentence that names --otlp-endpoint and what it must be.
absl::StatusOr<CollectorAddress> ParseCollectorAddress(std::string_view url);

// Posts one body and waits for the answer, `timeout` at most in all, the lookup of the name included. Thread-safe.
Delivery PostToCollector(const CollectorAddress& address, const std::string& body, absl::Duration timeout);

}  // namespace batucada
