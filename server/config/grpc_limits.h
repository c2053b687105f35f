// What one gRPC connection may hold, and how long.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace batucada {

struct GrpcLimits {
  int32_t max_connections = 1000;  // open at once; past it the oldest that has made no call goes, else the new one
  int32_t max_streams = 100;       // calls at once on one connection
  absl::Duration handshake_timeout = absl::Seconds(10);  // from connecting to the client's first SETTINGS, TLS included
  absl::Duration idle_timeout = absl::Minutes(5);        // without a call
  absl::Duration max_age = absl::Hours(1);               // of a connection: then it takes no new calls
  absl::Duration max_age_grace = absl::Minutes(10);      // for those that run then
};

}  // namespace batucada
