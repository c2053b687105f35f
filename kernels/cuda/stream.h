// CUDA streams, events and executable graphs that free themselves. Move-only; never the default stream.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/check.h"

namespace batucada {

// Owns one handle of type T and releases it with `Destroy`.
template <typename T, cudaError_t (*Destroy)(T)>
class CudaHandle {
 public:
  CudaHandle() = default;
  explicit CudaHandle(T handle) : handle_(handle) {}
  CudaHandle(CudaHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  CudaHandle& operator=(CudaHandle&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  CudaHandle(const CudaHandle&) = delete;
  CudaHandle& operator=(const CudaHandle&) = delete;
  ~CudaHandle() { Reset(); }

  T get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  // The result is dropped: it repeats an error that an earlier call has reported.
  void Reset() {
    if (handle_ != nullptr) static_cast<void>(Destroy(handle_));
    handle_ = nullptr;
  }
  T handle_ = nullptr;
};

using CudaStream = CudaHandle<cudaStream_t, cudaStreamDestroy>;
using CudaEvent = CudaHandle<cudaEvent_t, cudaEventDestroy>;
using CudaGraph = CudaHandle<cudaGraph_t, cudaGraphDestroy>;
using CudaGraphExec = CudaHandle<cudaGraphExec_t, cudaGraphExecDestroy>;

// A stream of the current device that does not synchronise with the default stream.
inline absl::StatusOr<CudaStream> MakeCudaStream() {
  cudaStream_t stream = nullptr;
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create a stream");
  return CudaStream(stream);
}

enum class EventTiming { kNone, kOn };

inline absl::StatusOr<CudaEvent> MakeCudaEvent(EventTiming timing) {
  cudaEvent_t event = nullptr;
  const unsigned flags = timing == EventTiming::kOn ? cudaEventDefault : cudaEventDisableTiming;
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaEventCreateWithFlags(&event, flags), "create an event");
  return CudaEvent(event);
}

}  // namespace batucada
