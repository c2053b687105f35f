#include "kernels/cpu/host_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/rounding.h"

namespace batucada {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

// A number from a one-line file, or 0 if there is none ("max", missing).
size_t ReadNumber(const char* path) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? value : 0;
}

size_t PageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// Large blocks by address. They are mapped and not touched: a page becomes resident when it is first written.
class Reservations {
 public:
  // Null if the system has no room for it.
  void* Add(size_t bytes) {
    // Huge pages are aligned to their size; what is mapped beyond goes back.
    const size_t mapped = bytes + kHugePage;
    void* const start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    const auto address = reinterpret_cast<uintptr_t>(start);
    const size_t before = (kHugePage - address % kHugePage) % kHugePage;
    char* const data = static_cast<char*>(start) + before;
    if (before > 0) munmap(start, before);
    munmap(data + bytes, mapped - before - bytes);
    madvise(data, bytes, MADV_HUGEPAGE);  // advice only: ignored where not supported
    const std::lock_guard lock(mutex_);
    blocks_[data] = {.bytes = bytes};
    return data;
  }

  void Remove(void* data) {
    size_t bytes = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto block = blocks_.find(data);
      bytes = block->second.bytes;
      blocks_.erase(block);
    }
    munmap(data, bytes);
  }

  // Of bytes outside all blocks: nothing.
  void Discard(char* begin, char* end) {
    const std::lock_guard lock(mutex_);
    const auto after = blocks_.upper_bound(begin);
    if (after == blocks_.begin()) return;
    const auto block = std::prev(after);
    if (end > static_cast<char*>(block->first) + block->second.bytes) return;
    if (madvise(begin, static_cast<size_t>(end - begin), MADV_DONTNEED) == 0) block->second.whole = false;
  }

  // What was promised and is not resident. A block that is resident as a whole is not looked at again until some of it
  // is discarded.
  size_t UntouchedBytes() {
    constexpr size_t kStride = size_t{1} << 30;
    const size_t page = PageSize();
    std::vector<unsigned char> resident;
    size_t untouched = 0;
    const std::lock_guard lock(mutex_);
    for (auto& [data, block] : blocks_) {
      if (block.whole) continue;
      size_t missing = 0;
      for (size_t at = 0; at < block.bytes; at += kStride) {
        const size_t part = std::min(kStride, block.bytes - at);
        resident.assign(part / page, 0);
        if (mincore(static_cast<char*>(data) + at, part, resident.data()) != 0) continue;
        for (const unsigned char state : resident) missing += (state & 1) != 0 ? 0 : page;
      }
      block.whole = missing == 0;
      untouched += missing;
    }
    return untouched;
  }

 private:
  struct Block {
    size_t bytes = 0;  // a multiple of the page size
    bool whole = false;
  };
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
};

Reservations& Reserved() {
  static Reservations* const reservations = new Reservations;  // buffers may outlive every static
  return *reservations;
}

// False if there is no memory for it.
bool MakeResident(void* data, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;  // a kernel older than 5.14 does not know it
#endif
  std::memset(data, 0, bytes);
  return true;
}

}  // namespace

void DiscardHostMemory(void* data, size_t bytes) {
  // Of a huge page of which a part goes, the rest is small pages from then on, and so is all that comes in its place.
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = RoundUp(address, kHugePage), end = (address + bytes) / kHugePage * kHugePage;
  char* const at = static_cast<char*>(data);
  if (begin < end) Reserved().Discard(at + (begin - address), at + (end - address));
}

size_t UntouchedHostMemory() { return Reserved().UntouchedBytes(); }

HostMemory QueryHostMemory() {
  HostMemory memory;
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (size_t kib = 0; file >> key >> kib; std::getline(file, unit)) {
    if (key == "MemTotal:") memory.total_bytes = kib << 10;
    if (key == "MemAvailable:") memory.free_bytes = kib << 10;
  }
  if (const size_t limit = ReadNumber("/sys/fs/cgroup/memory.max"); limit > 0) {
    const size_t used = std::min(limit, ReadNumber("/sys/fs/cgroup/memory.current"));
    memory.total_bytes = std::min(memory.total_bytes, limit);
    memory.free_bytes = std::min(memory.free_bytes, limit - used);
  }
  memory.free_bytes -= std::min(memory.free_bytes, UntouchedHostMemory());
  return memory;
}

absl::StatusOr<Buffer> AllocateHostMemory(size_t bytes, std::string_view what, Residency residency) {
  const auto too_much = [&](std::string_view more) {
    return absl::ResourceExhaustedError(
        absl::StrCat(std::string(what), " needs ", bytes, " bytes of memory", std::string(more)));
  };
  // Small requests never fail in practice, and asking the system each time would slow start-up down.
  if (bytes < kHugePage) {
    const size_t rounded = RoundUp(std::max<size_t>(bytes, 1), kCacheLine);
    void* const data = std::aligned_alloc(kCacheLine, rounded);
    if (data == nullptr) return too_much("");
    std::memset(data, 0, rounded);
    return Buffer(data, bytes, [](void* p) { std::free(p); });
  }
  if (const size_t free_bytes = QueryHostMemory().free_bytes; bytes > free_bytes) {
    return too_much(absl::StrCat(", but only ", free_bytes, " are free"));
  }
  const size_t rounded = (bytes + PageSize() - 1) / PageSize() * PageSize();
  void* const data = Reserved().Add(rounded);
  if (data == nullptr) return too_much("");
  Buffer buffer(data, bytes, [](void* p) { Reserved().Remove(p); });
  if (residency == Residency::kAtOnce && !MakeResident(data, rounded)) return too_much(" at once");
  return buffer;
}

}  // namespace batucada
