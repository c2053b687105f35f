// A fixed pool of threads for the short parallel loops of one forward pass.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace batucada {

// How many threads can really run at once: the cores this process may use, capped by the container's CPU quota.
int UsableCores();

// Fork-join with a static partition. A loop costs about a microsecond when loops follow each other closely; between
// loops threads spin for some tens of microseconds and then sleep, so an idle pool uses no CPU.
// ParallelFor is called by one thread at a time, and not from inside a body. Bodies must not throw.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // >= 1, the caller counted
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Splits [0, items) into at most threads() contiguous parts of at least `grain` items (so small loops stay on the
  // caller) and calls body(begin, end, thread) once per part, `thread` in [0, threads()). Returns when all have
  // finished. The partition depends only on items, grain and threads().
  template <typename Body>
  void ParallelFor(int64_t items, int64_t grain, const Body& body) {
    const int64_t parts = std::min<int64_t>(threads(), items / std::max<int64_t>(grain, 1));
    if (parts <= 1) {
      if (items > 0) body(int64_t{0}, items, 0);
      return;
    }
    const auto run_part = [](const void* b, int64_t num_items, int64_t num_parts, int part) {
      const int64_t begin = num_items * part / num_parts, end = num_items * (part + 1) / num_parts;
      (*static_cast<const Body*>(b))(begin, end, part);
    };
    Run({.run_part = run_part, .body = &body, .items = items, .parts = static_cast<int>(parts)});
  }

 private:
  struct Job {
    void (*run_part)(const void* body, int64_t items, int64_t parts, int part) = nullptr;
    const void* body = nullptr;
    int64_t items = 0;
    int parts = 0;
  };
  // Each worker has a mailbox of its own, so that a loop of few parts wakes few threads. On its own cache line.
  struct alignas(64) Worker {
    std::atomic<uint32_t> jobs_posted = 0;
    std::thread thread;
  };

  void Run(const Job& job);
  void Work(Worker& self, int part);

  // Written by the caller before it posts, read by workers after; the mailbox orders the two.
  Job job_;
  bool stopping_ = false;
  alignas(64) std::atomic<int> unfinished_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;  // constant after construction
};

}  // namespace batucada
