// A thread for those who must not wait for the store, as connections: what is posted is done in order, and between
// times what has lived its time is deleted, and what deletions have left.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "server/store/store.h"

namespace batucada {

// Thread-safe.
class StoreThread {
 public:
  // `store` outlives this. Sweeps come a hundred times in a `lifetime`, but not more often than every second.
  StoreThread(Store& store, absl::Duration lifetime);
  ~StoreThread();  // as Stop
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // Whoever posts has bounded what `task` holds, by a charge for instance.
  void Post(std::function<void()> task);
  // Does all that was posted; what is posted later is not done. Not from several threads at once.
  void Stop();

 private:
  void Run();

  Store& store_;
  const absl::Duration period_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace batucada
