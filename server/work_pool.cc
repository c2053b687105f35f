#include "server/work_pool.h"

#include <pthread.h>

#include <utility>

#include "engine/core/status.h"

namespace batucada {

WorkPool::WorkPool(int32_t threads, int64_t max_waiting_bytes) : max_waiting_bytes_(max_waiting_bytes) {
  BATUCADA_CHECK(threads > 0, threads);
  for (int32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkPool::~WorkPool() {
  std::deque<Entry> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
  }
  posted_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkPool::TryPost(int64_t bytes, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (!waiting_.empty() && bytes > max_waiting_bytes_ - waiting_bytes_) return false;
    waiting_bytes_ += bytes;
    waiting_.push_back({.bytes = bytes, .task = std::move(task)});
  }
  posted_.notify_one();
  return true;
}

int64_t WorkPool::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_;
}

void WorkPool::Run() {
  pthread_setname_np(pthread_self(), "batucada-work");
  while (true) {
    Entry entry;
    {
      std::unique_lock lock(mutex_);
      posted_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      entry = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= entry.bytes;
    }
    entry.task();
  }
}

}  // namespace batucada
