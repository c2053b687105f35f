#include "loadtest/run/progress.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "loadtest/clock.h"

namespace batucada::loadtest {

Progress::Progress(const LiveCounts& live, bool shown) : live_(live) {
  if (shown) thread_ = std::thread([this] { Run(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void Progress::Run() {
  // A log gets a line every ten seconds, a terminal one that changes every second.
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto period = std::chrono::seconds(terminal ? 1 : 10);
  const TimePoint start = Clock::now();
  int64_t before = 0;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, period, [this] { return end_; })) {
    const int64_t events = live_.text_events.load(std::memory_order_relaxed);
    const double per_second = static_cast<double>(events - before) / static_cast<double>(period.count());
    before = events;
    fmt::print(stderr, "{}{:>6.0f} s  {} running  {} answered  {} failed  {:.0f} tokens/s{}", terminal ? "\r" : "",
               ToSeconds(Clock::now() - start), live_.running.load(), live_.completed.load(), live_.failed.load(),
               per_second, terminal ? "   " : "\n");
    std::fflush(stderr);
  }
  if (terminal) fmt::print(stderr, "\r{:80}\r", "");
}

}  // namespace batucada::loadtest
