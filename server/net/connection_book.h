// The connections of a server: how many there are, until none is left, and a word to each of them on its own thread.
// What a server has to do with each connection beyond that stands in its `Place`, which has at least
//   std::weak_ptr<Connection> connection;
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include "absl/time/time.h"
#include "base/clock.h"

namespace batucada {

// For servers to derive from; thread-safe.
template <typename Connection, typename Place>
class ConnectionBook {
 public:
  // False: some are still open at the deadline.
  bool WaitUntilClosed(absl::Time deadline) {
    std::unique_lock lock(mutex_);
    const auto closed = [this] { return open_ == 0 && !accepting_; };
    if (deadline != absl::InfiniteFuture()) {
      return ended_.wait_for(lock, absl::ToChronoMilliseconds(deadline - ProcessNow()), closed);
    }
    ended_.wait(lock, closed);
    return true;
  }

  int64_t open_connections() {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(open_);
  }

 protected:
  // No more will come.
  void NoteStopped() {
    const std::lock_guard lock(mutex_);
    accepting_ = false;
    ended_.notify_all();
  }

  // On each connection's own thread.
  template <typename Action>
  void ForEach(Action action) {
    std::vector<std::shared_ptr<Connection>> live;  // released without the lock: the last to go tells of its end
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, place] : connections_) {
        if (auto connection = place.connection.lock()) live.push_back(std::move(connection));
      }
    }
    for (std::shared_ptr<Connection>& connection : live) {
      const boost::asio::any_io_executor executor = connection->executor();
      boost::asio::post(executor, [connection = std::move(connection), action] { action(*connection); });
    }
  }

  std::mutex mutex_;
  std::condition_variable ended_;  // notified when open_ falls
  size_t open_ = 0;
  bool accepting_ = true;
  std::map<uint64_t, Place> connections_;  // ascending: the oldest first
};

}  // namespace batucada
