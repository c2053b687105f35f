// Brings weights to the device through pinned memory: while the host fills one buffer, the device copies out of the
// others. Floor: bytes / bandwidth of the host's bus, or of one core's copying where that is slower.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/cuda/cuda_device.h"

namespace batucada {

// Used by one thread. Copies run on the device's stream: later work there finds their bytes.
class Uploader {
 public:
  // `device` outlives it.
  static absl::StatusOr<std::unique_ptr<Uploader>> Create(CudaDevice& device);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Calls `fill` with ever the next bytes of [0, bytes) to write, whole multiples of `unit` bytes from a multiple on,
  // and has them copied to `to`. `fill(first, part)` returns a Status, of which the first failure ends it. On return
  // all has been filled and is on its way. REQUIRES: 0 < unit <= kBufferBytes, and bytes is a multiple of it.
  template <typename Fill>
  absl::Status Send(void* to, size_t bytes, size_t unit, const Fill& fill) {
    const size_t most = kBufferBytes / unit * unit;
    for (size_t first = 0; first < bytes; first += most) {
      const absl::StatusOr<std::span<char>> buffer = NextBuffer();
      if (!buffer.ok()) return buffer.status();
      const std::span<char> part = buffer->first(std::min(most, bytes - first));
      if (absl::Status status = fill(first, part); !status.ok()) return status;
      if (absl::Status status = Copy(static_cast<char*>(to) + first, part); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  static constexpr size_t kBufferBytes = size_t{16} << 20;

 private:
  static constexpr size_t kBuffers = 3;
  struct Slot {
    Buffer memory;
    CudaEvent copied;
  };
  explicit Uploader(CudaDevice& device) : device_(device) {}
  // The buffer that was used longest ago, once its copy is done.
  absl::StatusOr<std::span<char>> NextBuffer();
  // Has the buffer that NextBuffer gave copied.
  absl::Status Copy(void* to, std::span<const char> from);

  CudaDevice& device_;
  std::array<Slot, kBuffers> slots_;
  size_t next_ = 0;
};

}  // namespace batucada
