// cuBLASLt, loaded when a GPU is opened: it is larger than everything else of the program together, and who has no GPU
// needs neither its memory nor the library itself.
#pragma once

#include <cublasLt.h>

#include "absl/status/statusor.h"

namespace batucada::cuda {

// Its functions, by the names that follow cublasLt. Those with Init take the size of what they initialise, as the
// header passes it on.
struct CublasLt {
  decltype(&cublasLtCreate) Create = nullptr;
  decltype(&cublasLtDestroy) Destroy = nullptr;
  decltype(&cublasLtGetStatusString) GetStatusString = nullptr;
  decltype(&cublasLtMatmul) Matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) MatmulDescInit = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) MatrixLayoutInit = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) MatmulPreferenceInit = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute = nullptr;
};

// Loads the library the first time, for the rest of the process. UNAVAILABLE, with what is missing, where it is not to
// be had. Thread-safe.
const absl::StatusOr<CublasLt>& LoadCublasLt();

}  // namespace batucada::cuda
