// What one load came to, and what it was: everything that reports are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadtest/chaos/chaos_tally.h"
#include "loadtest/measure/recorder.h"
#include "loadtest/metrics/reconcile.h"
#include "loadtest/metrics/sampler.h"

namespace batucada::loadtest {

// How the load was made; only shown.
struct LoadDescription {
  std::string date;  // local, "20260131-235959"
  std::string url, endpoint, model, workload, arrival;
  double rate = 0;  // sessions per second; 0: closed loop, or a trace's
  double burstiness = 1;
  int32_t clients = 0;  // of a closed loop; 0: open
  int32_t threads = 0;
  uint64_t seed = 0;
  Slo slo;
};

struct Result {
  LoadDescription load;
  Recorder totals;
  Duration duration{0};  // from the start to the last answer's end
  int64_t peak_running = 0;
  ChaosTally chaos;                     // of those who misbehaved; the totals are of the others
  std::string still_serves;             // what the server got wrong in a plain request behind the chaos; empty: nothing
  std::vector<Sampler::Moment> server;  // empty without metrics
  std::optional<Reconciliation> reconciliation;
  std::string no_metrics;  // why there are none

  double PerSecond(int64_t count) const {
    return duration.count() > 0 ? static_cast<double>(count) / ToSeconds(duration) : 0;
  }
};

}  // namespace batucada::loadtest
