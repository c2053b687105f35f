// What the operating system says about this process, under the names that Prometheus' own clients use.
#pragma once

#include <cstdint>

namespace batucada {

// Zero where the system does not say.
struct ProcessStats {
  double cpu_seconds = 0;         // user and system, all threads
  double start_time_seconds = 0;  // since the epoch
  int64_t resident_bytes = 0;
  int64_t virtual_bytes = 0;
  int64_t open_fds = 0;
  int64_t max_fds = 0;
  int64_t threads = 0;
};

// Reads /proc/self: some tens of microseconds. Thread-safe.
ProcessStats ReadProcessStats();

}  // namespace batucada
