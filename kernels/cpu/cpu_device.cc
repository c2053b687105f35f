#include "kernels/cpu/cpu_device.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/cpu_name.h"
#include "kernels/cpu/host_memory.h"

namespace batucada {
namespace {

// Bytes that a thread copies faster than another one wakes up.
constexpr int64_t kCopyGrain = 256 << 10;

}  // namespace

CpuDevice::CpuDevice(int threads, Residency residency) : residency_(residency), pool_(threads) {}

DeviceInfo CpuDevice::Info() const {
  const HostMemory memory = QueryHostMemory();
  return {.name = absl::StrCat("cpu: ", CpuName(), " (", SimdName(), UsesAmx() ? " and AMX, " : ", ", pool_.threads(),
                               " threads)"),
          .total_bytes = memory.total_bytes,
          .free_bytes = memory.free_bytes};
}

absl::StatusOr<Buffer> CpuDevice::Allocate(size_t bytes, std::string_view what) {
  return AllocateHostMemory(bytes, what, residency_);
}
absl::StatusOr<Buffer> CpuDevice::AllocateHost(size_t bytes, std::string_view what) {
  return AllocateHostMemory(bytes, what, residency_);
}

void CpuDevice::Discard(void* data, size_t bytes) {
  if (residency_ == Residency::kAsUsed) DiscardHostMemory(data, bytes);
}

void CpuDevice::CopyToDevice(void* device, const void* host, size_t bytes) { CopyOnDevice(device, host, bytes); }
void CpuDevice::CopyToHost(void* host, const void* device, size_t bytes) { CopyOnDevice(host, device, bytes); }
void CpuDevice::CopyOnDevice(void* to, const void* from, size_t bytes) {
  if (status().ok() && bytes > 0) std::memcpy(to, from, bytes);
}

// Every thread takes the same share of the bytes of all pieces, laid end to end.
void CpuDevice::CopyPieces(std::span<const CopyPiece> pieces) {
  if (!status().ok()) return;
  int64_t total = 0;
  for (const CopyPiece& piece : pieces) total += static_cast<int64_t>(piece.bytes);
  pool_.ParallelFor(total, Grain::Of(kCopyGrain, 1), [&](int64_t begin, int64_t end, int) {
    int64_t first = 0;  // where the piece at hand begins
    for (const CopyPiece& piece : pieces) {
      const int64_t last = first + static_cast<int64_t>(piece.bytes);
      const int64_t from = std::max(begin, first), to = std::min(end, last);
      if (from < to) {
        std::memcpy(static_cast<char*>(piece.to) + (from - first),
                    static_cast<const char*>(piece.from) + (from - first), static_cast<size_t>(to - from));
      }
      first = last;
    }
  });
}

void CpuDevice::RunCaptured(uint64_t, const std::function<void()>& body) { body(); }

absl::Status CpuDevice::Wait(uint64_t) { return status(); }

}  // namespace batucada
