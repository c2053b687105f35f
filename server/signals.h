// What the system tells the process. SIGTERM and SIGINT: the first asks for an orderly end, the second insists.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace batucada {

// A mapped file that was shortened, or whose disk fails, raises SIGBUS where it is read. From now on that ends the
// process with a sentence and exit code 1.
void ExplainBusErrors();

// Takes over both signals for the whole process, so it must be made before any other thread is.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // Until this is called any signal ends the process at once, as it does from the second on: a shell sees exit code 128
  // plus the signal's number.
  void ExpectOrderlyEnd();
  // Waits for the first signal and returns its number.
  int Wait();

 private:
  void Watch();

  std::mutex mutex_;
  std::condition_variable arrived_;
  bool orderly_ = false;
  bool stopping_ = false;
  int first_ = 0;
  std::thread thread_;
};

}  // namespace batucada
