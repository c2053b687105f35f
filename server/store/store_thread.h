// A thread for those who must not wait for the store, as connections: what a client has posted is done in order,
// clients take turns, and between times what has lived its time is deleted, and what deletions have left.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/container/flat_hash_map.h"
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

  using Task = std::function<void()>;

  // `client` is Client::id(). Whoever posts has bounded what `task` holds, by a charge for instance.
  void Post(uint64_t client, Task task);
  // Does all that was posted; what is posted later is not done. Not from several threads at once.
  void Stop();

 private:
  void Run();
  // Of the client whose turn it is. REQUIRES: mutex_ held, and there is one.
  Task TakeNext();

  Store& store_;
  const absl::Duration period_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  absl::flat_hash_map<uint64_t, std::deque<Task>> tasks_;  // by client; none is empty
  std::deque<uint64_t> turns_;                             // those clients, the next one first
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace batucada
