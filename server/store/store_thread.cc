#include "server/store/store_thread.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

#include <spdlog/spdlog.h>

#include "absl/time/clock.h"

namespace batucada {
namespace {

constexpr absl::Duration kShortest = absl::Seconds(1), kLongest = absl::Minutes(5);
constexpr absl::Duration kLook = absl::Seconds(1), kBetweenSteps = absl::Milliseconds(5);

}  // namespace

StoreThread::StoreThread(Store& store, absl::Duration lifetime)
    : store_(store), period_(std::clamp(lifetime / 100, kShortest, kLongest)), thread_([this] { Run(); }) {}

StoreThread::~StoreThread() { Stop(); }

void StoreThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    size_t left = 0;
    for (const auto& [client, tasks] : tasks_) left += tasks.size();
    if (left > 0) spdlog::info("the store has {} tasks left, and the process ends behind them", left);
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StoreThread::Post(uint64_t client, Task task) {
  {
    const std::lock_guard lock(mutex_);
    std::deque<Task>& tasks = tasks_[client];
    if (tasks.empty()) turns_.push_back(client);
    tasks.push_back(std::move(task));
  }
  changed_.notify_all();
}

StoreThread::Task StoreThread::TakeNext() {
  const uint64_t client = turns_.front();
  turns_.pop_front();
  const auto found = tasks_.find(client);
  Task task = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) {
    tasks_.erase(found);
  } else {
    turns_.push_back(client);
  }
  return task;
}

void StoreThread::Run() {
  pthread_setname_np(pthread_self(), "batucada-store");
  std::unique_lock lock(mutex_);
  absl::Time swept = absl::Now();
  while (true) {
    // What deletions have left goes soon, a step at a time.
    const absl::Duration pause = store_.has_leftovers() ? kBetweenSteps : kLook;
    const bool woken =
        changed_.wait_for(lock, absl::ToChronoNanoseconds(pause), [this] { return stopping_ || !tasks_.empty(); });
    if (!woken && !store_.has_leftovers() && absl::Now() - swept < period_) continue;
    if (woken && tasks_.empty()) return;
    Task task;
    if (woken) task = TakeNext();
    lock.unlock();
    try {
      if (task) {
        task();
      } else {
        store_.Sweep();
        swept = absl::Now();
      }
    } catch (const std::exception& exception) {  // no memory, most likely
      spdlog::error("the store failed: {}", exception.what());
    }
    task = nullptr;  // what it held goes without the lock
    lock.lock();
  }
}

}  // namespace batucada
