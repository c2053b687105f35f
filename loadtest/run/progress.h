// A line on the terminal, rewritten every second while a load runs.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "loadtest/run/live_counts.h"

namespace batucada::loadtest {

class Progress {
 public:
  // Writes to stderr if `shown`. `live` outlives this.
  Progress(const LiveCounts& live, bool shown);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void Run();

  const LiveCounts& live_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace batucada::loadtest
