// Device and pinned host memory of the current CUDA device as Buffers.
#pragma once

#include <cuda_runtime.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kernels/buffer.h"
#include "kernels/cuda/check.h"

namespace batucada {

// Zeroed on `stream`: visible to later work on that stream. RESOURCE_EXHAUSTED names `what` and the sizes.
inline absl::StatusOr<Buffer> AllocateDeviceMemory(size_t bytes, std::string_view what, cudaStream_t stream) {
  if (bytes == 0) return Buffer();
  void* data = nullptr;
  if (const cudaError_t error = cudaMalloc(&data, bytes); error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // an allocation that failed leaves the device usable
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    static_cast<void>(cudaMemGetInfo(&free_bytes, &total_bytes));
    return CudaStatus(error, absl::StrCat("allocate ", bytes, " bytes for ", std::string(what), " (", free_bytes,
                                          " of ", total_bytes, " bytes are free)"));
  }
  Buffer buffer(data, bytes, [](void* p) { static_cast<void>(cudaFree(p)); });
  BATUCADA_RETURN_IF_CUDA_ERROR(cudaMemsetAsync(data, 0, bytes, stream), "clear " + std::string(what));
  return buffer;
}

// Page-locked, so that copies run at full speed and do not block the host. Not zeroed.
inline absl::StatusOr<Buffer> AllocatePinnedMemory(size_t bytes, std::string_view what) {
  if (bytes == 0) return Buffer();
  void* data = nullptr;
  BATUCADA_RETURN_IF_CUDA_ERROR(
      cudaMallocHost(&data, bytes),
      absl::StrCat("allocate ", bytes, " bytes of pinned host memory for ", std::string(what)));
  return Buffer(data, bytes, [](void* p) { static_cast<void>(cudaFreeHost(p)); });
}

}  // namespace batucada
