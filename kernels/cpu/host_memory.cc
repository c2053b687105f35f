#include "kernels/cpu/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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

}  // namespace

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
  return memory;
}

absl::StatusOr<Buffer> AllocateHostMemory(size_t bytes, std::string_view what) {
  // Small requests never fail in practice, and asking the system each time would slow start-up down.
  if (bytes >= kHugePage) {
    const size_t free_bytes = QueryHostMemory().free_bytes;
    if (bytes > free_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(std::string(what), " needs ", bytes, " bytes of memory, but only ", free_bytes, " are free"));
    }
  }
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* data = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(std::string(what), " needs ", bytes, " bytes of memory"));
  }
  if (alignment == kHugePage) madvise(data, rounded, MADV_HUGEPAGE);  // advice only: ignored where not supported
  std::memset(data, 0, rounded);
  return Buffer(data, bytes, [](void* p) { std::free(p); });
}

}  // namespace batucada
