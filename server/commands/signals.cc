#include "server/commands/signals.h"

#include <csignal>
#include <cstdio>
#include <utility>

#include <pthread.h>
#include <unistd.h>

namespace batucada {
namespace {

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
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

// Async-signal-safe: only write and _exit. The first of several threads speaks for all.
void OnBusError(int, siginfo_t* info, void*) {
  static constexpr char kShortened[] =
      "batucada: a file of the model got shorter, or its disk failed, while it was read; start again once it is "
      "complete, and replace model files by renaming new ones over them\n";
  static constexpr char kOther[] = "batucada: ended by a bus error (SIGBUS)\n";
  static std::atomic_flag told;
  while (told.test_and_set()) pause();
  const bool shortened = info->si_code == BUS_ADRERR;
  const ssize_t ignored = shortened ? write(STDERR_FILENO, kShortened, sizeof(kShortened) - 1)
                                    : write(STDERR_FILENO, kOther, sizeof(kOther) - 1);
  (void)ignored;
  _exit(shortened ? 1 : 128 + SIGBUS);
}

}  // namespace

void ExplainBusErrors() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

SignalWatcher::SignalWatcher() {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a client that is gone is an error code, not a reason to end
  std::signal(SIGXFSZ, SIG_IGN);  // likewise a file that may grow no further
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

void SignalWatcher::OnHangup(std::function<void()> reload) {
  const std::lock_guard lock(reload_mutex_);
  reload_ = std::move(reload);
  if (reload_ && std::exchange(hung_up_, false)) reload_();
}

void SignalWatcher::Hangup() {
  const std::lock_guard lock(reload_mutex_);
  if (reload_) {
    reload_();
  } else {
    hung_up_ = true;
  }
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
    if (signal == SIGHUP) {
      Hangup();
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (!orderly_ || first_ != 0) EndBy(signal);
    first_ = signal;
    arrived_.notify_all();
  }
}

}  // namespace batucada
