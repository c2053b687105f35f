// Gives memory that requests have left behind back to the system. The C library keeps what is freed for the next
// request; after a flood that is most of what the process holds.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "server/memory/account.h"

namespace batucada {

// Settings of the C library's allocator, to be made before there are other threads: blocks of four mebibytes and more
// are mapped one by one, and so go back the moment they are freed.
void SetUpAllocator();

// Looks every second, on a thread of its own: when much more is resident than the least there was, and requests do not
// hold it, free pages of all arenas go back (malloc_trim). Where that brings nothing it is tried ever more seldom.
// Keeps the memory reserve filled, too.
class MemoryTrimmer {
 public:
  // `account` outlives this. Before every look `let_go` is asked to free what is kept and was not used for long.
  MemoryTrimmer(const MemoryAccount& account, std::function<void()> let_go);
  ~MemoryTrimmer();
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;

 private:
  void Run();

  const MemoryAccount& account_;
  const std::function<void()> let_go_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;  // last: the others are there when it starts
};

}  // namespace batucada
