// Gives memory that requests have left behind back to the system. The C library keeps what is freed for the next
// request; after a flood that is most of what the process holds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace batucada {

// Settings of the C library's allocator, to be made before there are other threads: blocks of four mebibytes and more
// are mapped one by one, and so go back the moment they are freed.
void SetUpAllocator();

// Looks every second, on a thread of its own: when much more is resident than the least there was, and nobody
// holds it, free pages of all arenas go back (malloc_trim). Where that brings nothing it is tried ever more seldom.
// Keeps the memory reserve filled, too.
class MemoryTrimmer {
 public:
  // `held`: how many bytes requests and connections hold by now, about. Before every look `let_go` is asked to free
  // what is kept and was not used for long.
  MemoryTrimmer(std::function<int64_t()> held, std::function<void()> let_go);
  ~MemoryTrimmer();
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;

 private:
  void Run();

  const std::function<int64_t()> held_;
  const std::function<void()> let_go_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;  // last: the others are there when it starts
};

}  // namespace batucada
