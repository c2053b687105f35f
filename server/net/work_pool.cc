#include "server/net/work_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/net/io_pool.h"

namespace batucada {
namespace {

// Of the threads that take large tasks: a text of megabytes is seconds of work, and the engine's threads, and those of
// the connections, have others waiting for them.
constexpr int kLargeNiceness = 5;

absl::Status Full(std::string_view whose, int64_t waiting, int64_t limit) {
  return WithParameter(
      absl::ResourceExhaustedError(fmt::format("{} that wait to be worked on have {} bytes: at most {} may wait "
                                               "(--max-text-backlog-bytes); try again later",
                                               whose, waiting, limit)),
      "", "text_queue_full");
}

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

int64_t BytesOf(const absl::flat_hash_map<uint64_t, int64_t>& bytes, uint64_t id) {
  const auto found = bytes.find(id);
  return found == bytes.end() ? 0 : found->second;
}

}  // namespace

int64_t WorkPool::MostOfItsSize(int64_t bytes) {
  if (bytes <= kSmallBytes) return kSmallBytes;
  return bytes <= kMiddlingBytes ? kMiddlingBytes : std::numeric_limits<int64_t>::max();
}

WorkPool::WorkPool(int32_t threads, int64_t max_waiting_bytes) : max_waiting_bytes_(max_waiting_bytes) {
  BATUCADA_CHECK(threads > 0, threads);
  try {
    for (int32_t i = 0; i < threads; ++i) {
      const bool last = i == threads - 1;
      threads_.emplace_back([this, largest = last ? kSizes - 1 : std::min<size_t>(i, kSizes - 1)] { Run(largest); });
    }
  } catch (...) {  // no more threads are to be had
    Stop();
    throw;
  }
}

WorkPool::~WorkPool() { Stop(); }

std::vector<FairQueue::Task> WorkPool::Close() {
  stopping_ = true;
  std::vector<FairQueue::Task> waited;
  for (FairQueue& queue : waiting_) {
    for (FairQueue::Task& task : queue.TakeAll()) waited.push_back(std::move(task));
  }
  waiting_bytes_ = 0;
  size_bytes_ = {};
  client_bytes_.clear();
  connection_bytes_.clear();
  posted_.notify_all();
  return waited;
}

void WorkPool::Refuse(std::vector<FairQueue::Task> tasks) {
  for (FairQueue::Task& task : tasks) {
    task.run = nullptr;  // what it holds goes as soon as can be
    if (task.refused) task.refused(ShuttingDown());
  }
}

bool WorkPool::Idle() const {
  return running_.empty() &&
         std::all_of(waiting_.begin(), waiting_.end(), [](const FairQueue& queue) { return queue.empty(); });
}

bool WorkPool::Drain(absl::Time deadline) {
  std::vector<FairQueue::Task> refused;
  {
    std::unique_lock lock(mutex_);
    while (!Idle()) {
      const absl::Duration left = deadline - ProcessNow();
      if (left <= absl::ZeroDuration()) break;
      ended_.wait_for(lock, absl::ToChronoMicroseconds(std::min(left, absl::Seconds(1))));
    }
    if (Idle()) return true;
    refused = Close();
    for (const FairQueue::Task* task : running_) refused.push_back({.run = nullptr, .refused = task->refused});
  }
  Refuse(std::move(refused));
  return false;
}

void WorkPool::Stop() {
  std::vector<FairQueue::Task> waited;
  {
    const std::lock_guard lock(mutex_);
    waited = Close();
  }
  Refuse(std::move(waited));
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

absl::Status WorkPool::CheckRoom(const Client& owner, int64_t bytes) const {
  // Written so that nothing overflows: a limit of zero is one, and so is the largest number there is.
  const auto fits = [bytes](int64_t waiting, int64_t limit) { return waiting == 0 || bytes <= limit - waiting; };
  if (!fits(waiting_bytes_, max_waiting_bytes_)) return Full("large requests", waiting_bytes_, max_waiting_bytes_);
  if (SizeOf(bytes) > 0) {
    const int64_t limit = max_waiting_bytes_ - max_waiting_bytes_ / 8, waiting = size_bytes_[1] + size_bytes_[2];
    if (!fits(waiting, limit)) return Full("large requests", waiting, limit);
  }
  const int64_t of_client = BytesOf(client_bytes_, owner.id()), most = max_waiting_bytes_ - max_waiting_bytes_ / 4;
  if (!fits(of_client, most)) return Full("large requests of this client", of_client, most);
  const int64_t of_connection = BytesOf(connection_bytes_, owner.connection);
  if (!fits(of_connection, max_waiting_bytes_ / 4)) {
    return Full("large requests of this connection", of_connection, max_waiting_bytes_ / 4);
  }
  return absl::OkStatus();
}

void WorkPool::Count(const Client& owner, int64_t bytes) {
  const auto add = [bytes](absl::flat_hash_map<uint64_t, int64_t>& counts, uint64_t id) {
    const auto count = counts.try_emplace(id).first;
    count->second += bytes;
    if (count->second == 0) counts.erase(count);
  };
  waiting_bytes_ += bytes;
  add(client_bytes_, owner.id());
  add(connection_bytes_, owner.connection);
}

absl::Status WorkPool::TryPost(const Client& owner, int64_t bytes, std::function<void()> run,
                               std::function<void(const absl::Status&)> refused) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return ShuttingDown();
    BATUCADA_RETURN_IF_ERROR(CheckRoom(owner, bytes));
    Count(owner, bytes);
    size_bytes_[SizeOf(bytes)] += bytes;
    waiting_[SizeOf(bytes)].Push(owner, bytes, {.run = std::move(run), .refused = std::move(refused)});
  }
  posted_.notify_all();  // not every thread takes every task, and there are few
  return absl::OkStatus();
}

int64_t WorkPool::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_;
}

FairQueue* WorkPool::NextQueue(size_t largest, size_t* turn) {
  // Each size in its turn, from the largest on: where a thread takes several, none of them waits for ever.
  for (size_t i = 0; i <= largest; ++i) {
    const size_t size = largest - (*turn + i) % (largest + 1);
    if (waiting_[size].empty()) continue;
    *turn += i + 1;
    return &waiting_[size];
  }
  return nullptr;
}

void WorkPool::Run(size_t largest) {
  pthread_setname_np(pthread_self(), "batucada-work");
  // Of this thread alone, as Linux has it. If it may not, it works on as urgently as all.
  if (largest == kSizes - 1) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLargeNiceness);
  size_t turn = 0;
  while (true) {
    FairQueue::Popped next;
    {
      std::unique_lock lock(mutex_);
      FairQueue* queue = nullptr;
      posted_.wait(lock, [&] { return stopping_ || (queue = NextQueue(largest, &turn)) != nullptr; });
      if (stopping_) return;
      next = queue->Pop();
      Count(next.owner, -next.bytes);
      size_bytes_[SizeOf(next.bytes)] -= next.bytes;
      running_.push_back(&next.task);
    }
    try {
      next.task.run();
    } catch (const std::exception& exception) {  // no memory, most likely: this task's loss and no other's
      spdlog::error("a text could not be worked on: {}", exception.what());
    }
    // What it holds goes before anything is waited for; `refused`, which may be looked at, with the next.
    next.task.run = nullptr;
    const std::lock_guard lock(mutex_);
    std::erase(running_, &next.task);
    ended_.notify_all();
  }
}

int32_t DefaultTextThreads() { return std::max(3, DefaultIoThreads()); }

}  // namespace batucada
