// The client's books beside the server's: what both have counted must agree, and where it does not, the report says so.
#pragma once

#include <string>
#include <vector>

#include "loadtest/measure/recorder.h"
#include "loadtest/metrics/server_counts.h"

namespace batucada::loadtest {

struct Reconciliation {
  struct Row {
    std::string what;  // "requests answered"
    double client = 0;
    double server = 0;
    double difference() const { return server - client; }
  };
  std::vector<Row> rows;
  std::string note;  // why a difference may be in order; empty: there is no such reason

  bool Agrees() const;
};

// `before` and `after` enclose the load. Rows that the server does not count are left out. `misbehaved`: sessions that
// were chaos, of which the client keeps no books.
Reconciliation Reconcile(const Recorder& client, const ServerCounts& before, const ServerCounts& after,
                         int64_t misbehaved);

}  // namespace batucada::loadtest
