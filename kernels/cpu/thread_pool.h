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

// How finely a loop may be cut.
struct Grain {
  int64_t share = 1;  // items that are worth another thread, > 0
  int64_t piece = 1;  // items of a piece, where a share has several, > 0

  // Where an item takes `work`, of which `least` is worth another thread.
  static Grain Of(int64_t least, int64_t work) {
    constexpr int64_t kPieces = 8;  // of them are worth another piece
    return {.share = std::max<int64_t>(1, least / work), .piece = std::max<int64_t>(1, kPieces * least / work)};
  }
};

// Fork-join. Each thread has a contiguous share of a loop, in a few pieces, and who is done with its own takes what is
// left of others': a thread that other programs keep from running costs the piece that it has begun, and not its share.
// A loop costs about a microsecond when loops follow each other closely; between loops threads spin for some tens of
// microseconds and then sleep, so an idle pool uses no CPU.
// ParallelFor is called by one thread at a time, and not from inside a body. Bodies must not throw.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // >= 1, the caller counted
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Splits [0, items) into contiguous pieces as `grain` says (so small loops stay on the caller) and calls
  // body(begin, end, thread) once per piece, `thread` in [0, threads()); on one thread one after the other. Returns
  // when all have finished. The pieces depend only on items, grain and threads(); who has which does not.
  template <typename Body>
  void ParallelFor(int64_t items, const Grain& grain, const Body& body) {
    const int64_t shares = std::min<int64_t>(threads(), items / grain.share);
    // Of each share as many, so that they end together where nobody is held up.
    const int64_t each = shares == 0 ? 0 : std::clamp<int64_t>(items / shares / grain.piece, 1, kMostPieces);
    const int64_t pieces = shares * each;
    if (shares <= 1) {
      if (items > 0) body(int64_t{0}, items, 0);
      return;
    }
    const auto run_piece = [](const Job& job, int64_t piece, int thread) {
      const int64_t begin = job.items * piece / job.pieces, end = job.items * (piece + 1) / job.pieces;
      (*static_cast<const Body*>(job.body))(begin, end, thread);
    };
    Run({.run_piece = run_piece, .body = &body, .items = items, .pieces = pieces, .shares = shares});
  }

 private:
  static constexpr int64_t kMostPieces = 4;  // of a share

  struct Job {
    void (*run_piece)(const Job& job, int64_t piece, int thread) = nullptr;
    const void* body = nullptr;
    int64_t items = 0;
    int64_t pieces = 0;
    int64_t shares = 0;
  };
  // Each worker has a mailbox of its own, so that a loop of few pieces wakes few threads. On its own cache line.
  struct alignas(64) Worker {
    std::atomic<uint32_t> jobs_posted = 0;
    std::thread thread;
  };

  void Run(const Job& job);
  void Work(Worker& self, int thread);
  // Runs pieces until none is left to take, and says how many. Who comes late finds none.
  int64_t RunPieces(int thread);

  // Constant while a piece of it that somebody took is unfinished. Nobody else may read it.
  Job job_;
  std::atomic<bool> stopping_ = false;
  // Pieces of a thread's share that nobody has taken: the first in the lower half, the end in the upper.
  struct alignas(64) Share {
    std::atomic<uint64_t> left = 0;
  };
  std::vector<Share> shares_;  // by thread
  alignas(64) std::atomic<int64_t> unfinished_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;  // constant after construction
};

}  // namespace batucada
