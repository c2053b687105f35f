// Threads of which one runs at a time, and a seed decides which: at every lock, unlock, wait, notification, start and
// end, any other that can go on may be next. Instead of base/sync.h's.
//
// Waits with a time may end at any moment; the clock then stands where it should. When nobody can go on the process
// stops with the seed: a deadlock.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace batucada {

// One simulation. Everything below belongs to the one that lives; made and destroyed on the thread that is its first.
class ThreadWorld {
 public:
  explicit ThreadWorld(uint64_t seed);
  ~ThreadWorld();
  static ThreadWorld& Get();

  Clock* clock() { return &clock_; }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  uint64_t switches() const { return switches_; }

  // The thread that runs may lose its turn.
  void Yield();
  // It cannot go on until somebody calls Wake for `on`; with `timed`, it may at any time. True: it was woken.
  bool Block(const void* on, bool timed);
  void Wake(const void* on, bool all);

  size_t Start(std::function<void()> body);  // a new thread; returns its index
  void Join(size_t thread);

  void Advance(absl::Duration time) { clock_.Advance(time); }

 private:
  struct Fiber {
    std::thread thread;
    std::condition_variable turn;
    const void* blocked_on = nullptr;
    bool timed = false;
    bool woken = false;
    bool done = false;
  };
  // Gives the turn to somebody who can go on, and comes back with it.
  void Switch();
  void AwaitTurn(size_t self, std::unique_lock<std::mutex>& lock);

  const uint64_t seed_;
  std::mt19937_64 random_;
  ManualClock clock_;
  std::mutex mutex_;  // of the real threads, to hand the turn over
  std::vector<std::unique_ptr<Fiber>> fibers_;
  size_t current_ = 0;
  uint64_t switches_ = 0;
};

class Mutex {
 public:
  void lock() {
    ThreadWorld::Get().Yield();
    while (locked_) ThreadWorld::Get().Block(this, /*timed=*/false);
    locked_ = true;
  }
  void unlock() {
    Release();
    ThreadWorld::Get().Yield();
  }
  // Unlocks, and nobody else goes on yet.
  void Release() {
    locked_ = false;
    ThreadWorld::Get().Wake(this, /*all=*/true);
  }

 private:
  bool locked_ = false;
};

// To unlock and to begin to wait is one step, as of std::condition_variable: no notification falls between.
class Condition {
 public:
  void notify_one() { ThreadWorld::Get().Wake(this, /*all=*/false); }
  void notify_all() { ThreadWorld::Get().Wake(this, /*all=*/true); }

  void wait(std::unique_lock<Mutex>& lock) {
    lock.mutex()->Release();
    ThreadWorld::Get().Block(this, /*timed=*/false);
    lock.mutex()->lock();
  }
  template <typename Predicate>
  void wait(std::unique_lock<Mutex>& lock, Predicate holds) {
    while (!holds()) wait(lock);
  }
  template <typename Duration>
  void wait_for(std::unique_lock<Mutex>& lock, Duration time) {
    lock.mutex()->Release();
    // However short a wait, time passes in it.
    const absl::Duration passes = std::max(absl::FromChrono(time), absl::Nanoseconds(1));
    if (!ThreadWorld::Get().Block(this, /*timed=*/true)) ThreadWorld::Get().Advance(passes);
    lock.mutex()->lock();
  }
  template <typename Duration, typename Predicate>
  bool wait_for(std::unique_lock<Mutex>& lock, Duration time, Predicate holds) {
    if (!holds()) wait_for(lock, time);
    return holds();
  }
};

class Thread {
 public:
  Thread() = default;
  explicit Thread(std::function<void()> body) : index_(ThreadWorld::Get().Start(std::move(body))) {}
  void join() { ThreadWorld::Get().Join(index_); }

 private:
  size_t index_ = 0;
};

}  // namespace batucada
