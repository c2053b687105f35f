// Between a thread that makes an answer and the connection's, which waits for it.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "server/http/http.h"

namespace batucada {

// Thread-safe.
class Handover {
 public:
  // `wake` is called when there is something to take, at once if there is already, and never after Abandon.
  void OnReady(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
    if (answer_) wake_();
  }

  // The first counts. False: there was one already.
  bool Put(Answer answer) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(put_, true)) return false;
    if (abandoned_) return true;
    answer_ = std::move(answer);
    if (wake_) wake_();  // under the lock, so that none comes after Abandon
    return true;
  }

  std::optional<Answer> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }

  // The client is gone.
  void Abandon() {
    std::optional<Answer> unwanted;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    wake_ = nullptr;
    unwanted = std::exchange(answer_, std::nullopt);
  }

  bool abandoned() {
    const std::lock_guard lock(mutex_);
    return abandoned_;
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::function<void()> wake_;
  std::optional<Answer> answer_;
  bool put_ = false, abandoned_ = false;
};

}  // namespace batucada
