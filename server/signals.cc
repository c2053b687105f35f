#include "server/signals.h"

#include <csignal>
#include <cstdio>

#include <pthread.h>
#include <unistd.h>

namespace batucada {
namespace {

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Lets the signal do what it does to a program that knows nothing of it.
[[noreturn]] void EndBy(int signal) {
  std::fprintf(stderr, "batucada: ended at once by signal %d\n", signal);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  const sigset_t set = Watched();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  _exit(128 + signal);
}

}  // namespace

SignalWatcher::SignalWatcher() {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a client that is gone is an error code, not a reason to end
  thread_ = std::thread([this] { Watch(); });
}

SignalWatcher::~SignalWatcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGTERM);  // wakes sigwait
  thread_.join();
}

void SignalWatcher::ExpectOrderlyEnd() {
  const std::lock_guard lock(mutex_);
  orderly_ = true;
}

int SignalWatcher::Wait() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return first_ != 0; });
  return first_;
}

void SignalWatcher::Watch() {
  const sigset_t set = Watched();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (!orderly_ || first_ != 0) EndBy(signal);
    first_ = signal;
    arrived_.notify_all();
  }
}

}  // namespace batucada
