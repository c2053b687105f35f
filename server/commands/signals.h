// What the system tells the process. SIGTERM and SIGINT: the first asks for an orderly end, the second insists. SIGHUP:
// settings are to be read again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace batucada {

// A mapped file that was shortened, or whose disk fails, raises SIGBUS where it is read. From now on that ends the
// process with a sentence and exit code 1.
void ExplainBusErrors();

// Takes over these signals for the whole process, so it must be made before any other thread is.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // Until this is called any signal ends the process at once, as it does from the second on: a shell sees exit code 128
  // plus the signal's number.
  void ExpectOrderlyEnd();
  // What a SIGHUP does from now on, on a thread of this; one that came before is made up for at once. Null: nothing,
  // and what was there is not running any more. REQUIRES: `reload` does not call this.
  void OnHangup(std::function<void()> reload);
  // Waits for the first signal to end and returns its number.
  int Wait();

 private:
  void Watch();
  void Hangup();

  std::mutex mutex_;
  std::condition_variable arrived_;
  bool orderly_ = false;
  bool stopping_ = false;
  int first_ = 0;
  std::mutex reload_mutex_;  // guards what follows, and is held while it runs
  std::function<void()> reload_;
  bool hung_up_ = false;  // a SIGHUP came, and nobody wanted it
  std::thread thread_;
};

}  // namespace batucada
