// Turns what the CUDA runtime returns into absl::Status, with the name of the work that failed.
#pragma once

#include <cuda_runtime.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace batucada {

// OK, RESOURCE_EXHAUSTED for memory, UNAVAILABLE where there is no usable driver or device, INTERNAL for the rest.
// `what` is put in front of the runtime's words, if given.
inline absl::Status CudaStatus(cudaError_t error, std::string_view what = {}) {
  if (error == cudaSuccess) return absl::OkStatus();
  const std::string message = absl::StrCat(std::string(what), what.empty() ? "" : ": ", cudaGetErrorString(error), " (",
                                           cudaGetErrorName(error), ")");
  switch (error) {
    case cudaErrorMemoryAllocation: return absl::ResourceExhaustedError(message);
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorStubLibrary:
    case cudaErrorDevicesUnavailable: return absl::UnavailableError(message);
    default: return absl::InternalError(message);
  }
}

}  // namespace batucada

// Returns from the enclosing function when a CUDA call fails.
#define BATUCADA_RETURN_IF_CUDA_ERROR(expression, what)                   \
  do {                                                                    \
    if (const cudaError_t error_ = (expression); error_ != cudaSuccess) { \
      return ::batucada::CudaStatus(error_, what);                        \
    }                                                                     \
  } while (false)
