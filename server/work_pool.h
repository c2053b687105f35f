// A few threads for work that would hold up everyone else on an event loop: parsing and tokenizing large requests.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace batucada {

// Thread-safe. Tasks start in the order they were posted.
class WorkPool {
 public:
  // `max_waiting_bytes`: what tasks that have not begun may hold together.
  // REQUIRES: threads > 0
  WorkPool(int32_t threads, int64_t max_waiting_bytes);
  // Waits for the tasks that have begun; drops the others.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Queues `task`, which holds `bytes`. False if too much waits already: an empty queue takes a task of any size.
  [[nodiscard]] bool TryPost(int64_t bytes, std::function<void()> task);
  // What the tasks that have not begun hold.
  int64_t waiting_bytes() const;

 private:
  struct Entry {
    int64_t bytes = 0;
    std::function<void()> task;
  };
  void Run();

  const int64_t max_waiting_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable posted_;
  std::deque<Entry> waiting_;
  int64_t waiting_bytes_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace batucada
