// Runs one load: threads with an event loop each, that share the clients of a closed loop or the arrivals of an open
// one.
#pragma once

#include <memory>

#include "loadtest/chaos/troublemaker.h"
#include "loadtest/measure/recorder.h"
#include "loadtest/run/requester.h"
#include "loadtest/run/tickets.h"
#include "loadtest/workload/workload.h"

namespace batucada::loadtest {

enum class Loop : uint8_t {
  kClosed,  // each client sends its next session when the last is answered
  kOpen,    // sessions are sent when they are due, however slow the answers are
};

struct DriverOptions {
  Loop loop = Loop::kClosed;
  int32_t threads = 1;
  int32_t clients = 1;  // of a closed loop, over all threads
  Slo slo;
  Detail detail = Detail::kTotals;
  ChaosOptions chaos;
};

struct DriveResult {
  Recorder totals;  // of those who behave
  ChaosTally chaos;
};

// Blocks until every session that has started is over. Thread-safe `tickets` may be stopped meanwhile.
DriveResult Drive(const DriverOptions& options, const Workload& workload, const RequestContext& context,
                  Tickets& tickets);

}  // namespace batucada::loadtest
