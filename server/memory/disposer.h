// Frees what is large on a thread of its own. Giving 8 MiB back to the system takes a millisecond or two, an answer
// with log-probabilities is a million small blocks, and when hundreds of connections end at once, an event loop has
// others waiting for it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/memory/account.h"

namespace batucada {

// Thread-safe.
class Disposer {
 public:
  // Bytes from which on it is worth handing them over.
  static constexpr size_t kLarge = 256 << 10;

  Disposer();
  ~Disposer();
  Disposer(const Disposer&) = delete;
  Disposer& operator=(const Disposer&) = delete;

  // Takes `waste`, which holds so many bytes and may end on any thread, with what they are charged to: that is given
  // back when they are gone. What is not large, and all where there is no memory for a list of it, goes at once.
  void Dispose(std::shared_ptr<void> waste, size_t bytes, MemoryCharge charge);

 private:
  struct Waste {
    MemoryCharge charge;  // goes behind what it is for
    std::shared_ptr<void> held;
  };
  void Run();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<Waste> waste_;
  bool stopping_ = false;
  std::thread thread_;  // last: the others are there when it starts
};

}  // namespace batucada
