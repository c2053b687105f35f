#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <cmath>
#include <fstream>
#include <optional>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace batucada {
namespace {

// About 50 µs on current cores: longer than the gap between two ops, much shorter than a scheduler tick.
constexpr int kSpins = 1500;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` differs from `old`: spins first, because the answer usually comes at once, then sleeps.
template <typename T>
T WaitWhile(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

// Cores' worth of CPU time that the container may use, or 0 if unlimited (cgroup v2: "max 100000" or "200000 100000").
int QuotaCores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return static_cast<int>(std::ceil(std::atof(quota.c_str()) / period));
}

}  // namespace

int UsableCores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = CPU_COUNT(&set);
  if (const int quota = QuotaCores(); quota > 0) cores = std::min(cores, quota);
  return std::max(cores, 1);
}

namespace {

// Of how many shares a thread takes pieces: a look into another's costs as much as fetching a cache line from it.
constexpr int kMostShares = 8;

// The first piece of what is left, or the last, which its owner comes to last.
std::optional<uint32_t> Take(std::atomic<uint64_t>& share, bool first) {
  constexpr uint64_t kOneFromEnd = uint64_t{1} << 32U;
  for (uint64_t left = share.load(std::memory_order_acquire);;) {
    const auto begin = static_cast<uint32_t>(left), end = static_cast<uint32_t>(left >> 32U);
    if (begin >= end) return std::nullopt;
    if (share.compare_exchange_weak(left, first ? left + 1 : left - kOneFromEnd, std::memory_order_acq_rel)) {
      return first ? begin : end - 1;
    }
  }
}

void EndWorkers(std::atomic<bool>& stopping, auto& workers) {
  stopping = true;
  for (auto& worker : workers) {
    worker->jobs_posted.fetch_add(1, std::memory_order_release);
    worker->jobs_posted.notify_one();
  }
  for (auto& worker : workers) worker->thread.join();
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(threads)) {
  for (int i = 1; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    const int thread = static_cast<int>(i) + 1;  // the caller is 0
    try {
      worker.thread = std::thread([this, &worker, thread] { Work(worker, thread); });
    } catch (...) {  // no memory for its stack: those that run end first
      workers_.resize(i);
      EndWorkers(stopping_, workers_);
      throw;
    }
    pthread_setname_np(worker.thread.native_handle(), ("cpu-ops-" + std::to_string(thread)).c_str());
  }
}

ThreadPool::~ThreadPool() { EndWorkers(stopping_, workers_); }

void ThreadPool::Run(const Job& job) {
  job_ = job;
  unfinished_.store(job.pieces, std::memory_order_relaxed);
  for (int64_t i = 0; i < job.shares; ++i) {
    const auto first = static_cast<uint64_t>(job.pieces * i / job.shares);
    const auto end = static_cast<uint64_t>(job.pieces * (i + 1) / job.shares);
    shares_[static_cast<size_t>(i)].left.store(end << 32U | first, std::memory_order_release);
  }
  // Who is woken looks at no more than kMostShares, its own among them: each share has a thread.
  for (int64_t i = 1; i < job.shares; ++i) {
    Worker& worker = *workers_[static_cast<size_t>(i - 1)];
    worker.jobs_posted.fetch_add(1, std::memory_order_release);
    worker.jobs_posted.notify_one();
  }
  const int64_t own = RunPieces(0);
  int64_t left = unfinished_.fetch_sub(own, std::memory_order_acq_rel) - own;
  while (left != 0) left = WaitWhile(unfinished_, left);
}

int64_t ThreadPool::RunPieces(int thread) {
  const auto threads = static_cast<int>(shares_.size());
  int64_t count = 0;
  for (int i = 0; i < std::min(threads, kMostShares); ++i) {
    std::atomic<uint64_t>& share = shares_[static_cast<size_t>((thread + i) % threads)].left;
    for (std::optional<uint32_t> piece; (piece = Take(share, i == 0)); ++count) job_.run_piece(job_, *piece, thread);
  }
  return count;
}

void ThreadPool::Work(Worker& self, int thread) {
  for (uint32_t seen = 0;;) {
    seen = WaitWhile(self.jobs_posted, seen);
    if (stopping_) return;
    const int64_t own = RunPieces(thread);
    if (own > 0 && unfinished_.fetch_sub(own, std::memory_order_acq_rel) == own) unfinished_.notify_one();
  }
}

}  // namespace batucada
