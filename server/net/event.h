// Something a coroutine waits for and other code on the same thread announces.
#pragma once

#include <chrono>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace batucada {

// One waiter at a time; waiter and notifier are on the executor's thread. A notification that finds nobody waiting is
// kept for the next wait.
class Event {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Event(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  void Notify() {
    notified_ = true;
    timer_.cancel();
  }

  // Drops a notification that nobody has waited for.
  void Forget() { notified_ = false; }

  // False if `deadline` passed without a notification.
  boost::asio::awaitable<bool> WaitUntil(Clock::time_point deadline) {
    if (!notified_) {
      timer_.expires_at(deadline);
      co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    const bool notified = notified_;
    notified_ = false;
    co_return notified;
  }

  static Clock::time_point Never() { return Clock::time_point::max(); }

 private:
  boost::asio::steady_timer timer_;
  bool notified_ = false;
};

}  // namespace batucada
