// A few threads for work that would hold up everyone else on an event loop: parsing, tokenizing and writing large
// texts.
//
// What waits is served fairly by bytes (fair_queue.h), and small work never waits for large: one thread takes small
// tasks alone, a second one small and middling ones, and the others, which give way to the rest of the process, take
// all. Each owner's share of what may wait is bounded, so that no one fills the queue for the others.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/common/client.h"
#include "server/net/fair_queue.h"

namespace batucada {

// A request up to this size is handled where it arrived: that takes a millisecond at most, and never waits behind
// others.
inline constexpr size_t kInlineBodyBytes = 2 << 10;

// Thread-safe.
class WorkPool {
 public:
  // Tasks of so many bytes at most are small, and middling.
  static constexpr int64_t kSmallBytes = 64 << 10, kMiddlingBytes = 1 << 20;

  // The most bytes that a task may have whose threads are those of a task of `bytes`.
  static int64_t MostOfItsSize(int64_t bytes);

  // `max_waiting_bytes`: what tasks that have not begun may hold together. With one thread, that one takes all tasks;
  // with two, the second.
  // REQUIRES: threads > 0
  WorkPool(int32_t threads, int64_t max_waiting_bytes);
  ~WorkPool();  // as Stop
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Queues `run`, which holds `bytes`. RESOURCE_EXHAUSTED, with the limit, if too much waits already: of a connection
  // a quarter of the limit, of a client three quarters, of tasks that are not small seven eighths. Where nothing waits
  // of those, a task of any size is taken. UNAVAILABLE at the pool's end, as `refused` hears, if it is not null, of a
  // task that was taken and comes to nothing. That may be after `run` has begun, which then goes on: the first word of
  // the two counts.
  [[nodiscard]] absl::Status TryPost(const Client& owner, int64_t bytes, std::function<void()> run,
                                     std::function<void(const absl::Status&)> refused = nullptr);
  // What the tasks that have not begun hold.
  int64_t waiting_bytes() const;
  // Waits until no task waits or runs: true. Once `deadline` passes: refuses what waits and what runs, and takes no
  // more. What runs cannot be made to end: it goes on, and the pool must not end before it.
  bool Drain(absl::Time deadline);
  // Refuses what waits, takes no more, and waits for what runs. An owner does it before the end, where what tasks tell
  // others ends before the pool. Not from several threads at once.
  void Stop();

 private:
  static constexpr size_t kSizes = 3;  // small, middling, large
  static size_t SizeOf(int64_t bytes) { return bytes <= kSmallBytes ? 0 : bytes <= kMiddlingBytes ? 1 : 2; }

  // Takes no more: gives what waited. REQUIRES: mutex_ held
  std::vector<FairQueue::Task> Close();
  bool Idle() const;  // REQUIRES: mutex_ held
  static void Refuse(std::vector<FairQueue::Task> tasks);
  absl::Status CheckRoom(const Client& owner, int64_t bytes) const;  // REQUIRES: mutex_ held
  void Run(size_t largest);
  // The queue that a thread of `largest` turns to; null if nothing is there for it. REQUIRES: mutex_ held.
  FairQueue* NextQueue(size_t largest, size_t* turn);
  void Count(const Client& owner, int64_t bytes);  // likewise

  const int64_t max_waiting_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable posted_, ended_;
  std::array<FairQueue, kSizes> waiting_;
  int64_t waiting_bytes_ = 0;
  std::array<int64_t, kSizes> size_bytes_ = {};              // of each queue
  absl::flat_hash_map<uint64_t, int64_t> client_bytes_;      // of those that have some
  absl::flat_hash_map<uint64_t, int64_t> connection_bytes_;  // likewise
  std::vector<const FairQueue::Task*> running_;              // each its thread's
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// What --text-threads 0 means: one for each size at least.
int32_t DefaultTextThreads();

}  // namespace batucada
