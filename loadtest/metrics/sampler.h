// Reads the server's /metrics before, every second during, and after a load.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "loadtest/clock.h"
#include "loadtest/metrics/server_counts.h"

namespace batucada::loadtest {

class Sampler {
 public:
  struct Moment {
    Duration at{0};  // since the start
    ServerCounts counts;
  };
  // Reads once before it returns. If that fails nothing is read any more.
  Sampler(const Target& target, const RequestHead& head);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Ends the sampling, and waits up to 5 s for what still runs in the server, so that it has counted everything.
  void Finish();

  // After Finish: the first moment is before the load, the last after it; empty without metrics, and why() says why.
  const std::vector<Moment>& moments() const { return moments_; }
  const std::string& why() const { return why_; }

 private:
  void Run();
  bool Read();

  const Target& target_;
  const RequestHead& head_;
  const TimePoint start_ = Clock::now();
  std::vector<Moment> moments_;  // the thread's until Finish
  std::string why_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace batucada::loadtest
