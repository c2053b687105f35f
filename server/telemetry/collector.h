// The HTTP side of a collector of spans.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/config/collector_address.h"
#include "server/telemetry/span_exporter.h"

namespace batucada {

// Posts one body and waits for the answer, `timeout` at most in all, the lookup of the name included. Thread-safe.
Delivery PostToCollector(const CollectorAddress& address, const std::string& body, absl::Duration timeout);

}  // namespace batucada
