// Shows how far something is: on a terminal as a bar, elsewhere as a line now and then.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "absl/time/time.h"
#include "base/byte_progress.h"

namespace batucada {

// "ORG/NAME  42% [########            ] 3.02 of 7.18 GiB, 112 MiB/s, 0:38 left": at most `columns` wide, the bar first
// to go.
std::string ProgressBar(std::string_view name, int64_t there, int64_t total, double bytes_per_second, int columns);

// Shows until it is destroyed. `out` gets a bar that is written over if it is a terminal, else a line every half a
// minute. Nothing is written if nothing takes long, nor before there is a total.
class ProgressDisplay {
 public:
  ProgressDisplay(std::string name, const ByteProgress& progress, std::FILE* out);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

 private:
  void Run();
  void Show(bool last);

  const std::string name_;
  const ByteProgress& progress_;
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
