// Connections in the order in which they must make room for others.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace batucada {

class Connection;

// Thread-safe.
class ConnectionQueue {
 public:
  using Place = uint64_t;  // never given twice

  Place Join(std::weak_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(++last_, std::move(connection));
    return last_;
  }
  // Nothing happens to who has been taken already.
  void Leave(Place place) {
    const std::lock_guard lock(mutex_);
    waiting_.erase(place);
  }
  // Who has been here longest, and no longer is; null if nobody is.
  std::shared_ptr<Connection> TakeOldest() {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty()) {
      std::shared_ptr<Connection> oldest = waiting_.begin()->second.lock();
      waiting_.erase(waiting_.begin());
      if (oldest != nullptr) return oldest;
    }
    return nullptr;
  }

 private:
  std::mutex mutex_;
  Place last_ = 0;
  std::map<Place, std::weak_ptr<Connection>> waiting_;
};

}  // namespace batucada
