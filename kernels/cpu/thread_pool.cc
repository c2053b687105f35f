#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <cmath>
#include <fstream>
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

void EndWorkers(bool& stopping, auto& workers) {
  stopping = true;
  for (auto& worker : workers) {
    worker->jobs_posted.fetch_add(1, std::memory_order_release);
    worker->jobs_posted.notify_one();
  }
  for (auto& worker : workers) worker->thread.join();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    const int part = static_cast<int>(i) + 1;  // part 0 is the caller's
    try {
      worker.thread = std::thread([this, &worker, part] { Work(worker, part); });
    } catch (...) {  // no memory for its stack: those that run end first
      workers_.resize(i);
      EndWorkers(stopping_, workers_);
      throw;
    }
    pthread_setname_np(worker.thread.native_handle(), ("cpu-ops-" + std::to_string(part)).c_str());
  }
}

ThreadPool::~ThreadPool() { EndWorkers(stopping_, workers_); }

void ThreadPool::Run(const Job& job) {
  job_ = job;
  unfinished_.store(job.parts - 1, std::memory_order_relaxed);
  for (int part = 1; part < job.parts; ++part) {
    Worker& worker = *workers_[static_cast<size_t>(part - 1)];
    worker.jobs_posted.fetch_add(1, std::memory_order_release);
    worker.jobs_posted.notify_one();
  }
  job.run_part(job.body, job.items, job.parts, 0);
  for (int left = unfinished_.load(std::memory_order_acquire); left != 0;) left = WaitWhile(unfinished_, left);
}

void ThreadPool::Work(Worker& self, int part) {
  for (uint32_t seen = 0;;) {
    seen = WaitWhile(self.jobs_posted, seen);
    if (stopping_) return;
    job_.run_part(job_.body, job_.items, job_.parts, part);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

}  // namespace batucada
