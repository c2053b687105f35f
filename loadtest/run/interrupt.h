// Ctrl-C while a load runs: no more requests begin, those that run are waited for, and there is a report.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

namespace batucada::loadtest {

// One at a time in a process.
class Interrupt {
 public:
  // `stop` is called at the first SIGINT, on a thread of this object's. The second ends the process, as it would
  // without.
  explicit Interrupt(std::function<void()> stop);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool seen() const { return seen_; }

 private:
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  std::atomic<bool> seen_ = false;
  std::thread thread_;
};

}  // namespace batucada::loadtest
