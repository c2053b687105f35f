#include "server/memory/trimmer.h"

#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "base/memory_reserve.h"

namespace batucada {
namespace {

// Bytes of a block: below, a heap serves it, whose pages need not be zeroed anew for each request; above, it goes back
// as soon as it is freed.
constexpr int kMappedFrom = 4 << 20;
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr int64_t kWorthIt = int64_t{4} << 20;  // bytes that may stay behind
constexpr int64_t kGrowthPart = 16;             // of what is resident: growth that may stay behind

constexpr int kLongestPause = 64;  // looks, where trimming brings nothing

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

void SetUpAllocator() {
  // Either also keeps the library from raising the bound by itself each time such a block is freed.
  mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  mallopt(M_TRIM_THRESHOLD, 4 * kMappedFrom);
}

MemoryTrimmer::MemoryTrimmer(std::function<int64_t()> held, std::function<void()> let_go)
    : held_(std::move(held)), let_go_(std::move(let_go)), thread_([this] { Run(); }) {}

MemoryTrimmer::~MemoryTrimmer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MemoryTrimmer::Run() {
  pthread_setname_np(pthread_self(), "batucada-trim");
  FillMemoryReserve();
  int64_t least = ResidentBytes(), last = least, last_held = 0;
  int pause = 1, looks = 0;  // looks until the next trim, and since the last
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kLookEvery, [this] { return stopping_; })) {
    FillMemoryReserve();
    let_go_();
    const int64_t resident = ResidentBytes(), grown = resident - least;
    const int64_t held = held_();
    if (std::abs(resident - last) >= kWorthIt || last_held - held >= kWorthIt) pause = 1;
    last_held = held;
    least = std::min(least, resident);
    last = resident;
    if (grown < std::max(kWorthIt, least / kGrowthPart) || held > grown / 2 || ++looks < pause) continue;
    malloc_trim(0);
    last = ResidentBytes();
    looks = 0;
    // What cannot be given back is in use, and not worth a look every second.
    pause = resident - last >= kWorthIt ? 1 : std::min(2 * pause, kLongestPause);
  }
}

}  // namespace batucada
