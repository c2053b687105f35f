// How far fetching is: counted by who fetches, shown on a terminal as a bar, elsewhere as a line now and then.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/time/time.h"

namespace batucada {

// Bytes. Thread-safe.
struct FetchProgress {
  std::atomic<int64_t> total{0};
  std::atomic<int64_t> there{0};    // of them, those that the cache had before included
  std::atomic<int64_t> fetched{0};  // over the network
};

// "ORG/NAME  42% [########            ] 3.02 of 7.18 GiB, 112 MiB/s, 0:38 left": at most `columns` wide, the bar first
// to go.
std::string ProgressBar(std::string_view name, int64_t there, int64_t total, double bytes_per_second, int columns);

// Shows until it is destroyed. `out` gets a bar that is written over if it is a terminal, else a line every half a
// minute. Nothing is written if nothing takes long.
class ProgressDisplay {
 public:
  ProgressDisplay(std::string name, const FetchProgress& progress, std::FILE* out);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

 private:
  void Run();
  void Show(bool last);

  const std::string name_;
  const FetchProgress& progress_;
  std::FILE* const out_;
  const bool terminal_;
  const absl::Time begin_;
  bool shown_ = false;  // something

  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace batucada
