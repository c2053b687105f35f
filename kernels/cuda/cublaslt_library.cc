#include "kernels/cuda/cublaslt_library.h"

#include <dlfcn.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace batucada::cuda {
namespace {

// The version that the headers speak of; first where the loader looks (beside the program, LD_LIBRARY_PATH, the
// system), then in the toolkit that the program was built with.
constexpr const char* kName = "libcublasLt.so." BATUCADA_CUBLASLT_VERSION;
constexpr const char* kInToolkit = BATUCADA_CUDA_LIBRARY_DIR "/libcublasLt.so." BATUCADA_CUBLASLT_VERSION;

absl::StatusOr<CublasLt> Load() {
  void* library = dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  std::string why;
  if (library == nullptr) {
    why = dlerror();
    library = dlopen(kInToolkit, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    return absl::UnavailableError(absl::StrCat("cuBLASLt is needed and cannot be loaded (", why, "): install the CUDA ",
                                               BATUCADA_CUBLASLT_VERSION,
                                               " libraries, or name their folder in "
                                               "LD_LIBRARY_PATH"));
  }
  CublasLt lt;
  const char* missing = nullptr;
  const auto find = [&](const char* name, auto& function) {
    void* const symbol = dlsym(library, name);
    if (symbol == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find("cublasLtCreate", lt.Create);
  find("cublasLtDestroy", lt.Destroy);
  find("cublasLtGetStatusString", lt.GetStatusString);
  find("cublasLtMatmul", lt.Matmul);
  find("cublasLtMatmulAlgoGetHeuristic", lt.MatmulAlgoGetHeuristic);
  find("cublasLtMatmulDescInit_internal", lt.MatmulDescInit);
  find("cublasLtMatmulDescSetAttribute", lt.MatmulDescSetAttribute);
  find("cublasLtMatrixLayoutInit_internal", lt.MatrixLayoutInit);
  find("cublasLtMatmulPreferenceInit_internal", lt.MatmulPreferenceInit);
  find("cublasLtMatmulPreferenceSetAttribute", lt.MatmulPreferenceSetAttribute);
  if (missing != nullptr) {
    return absl::UnavailableError(
        absl::StrCat(kName, " has no ", missing, ": it is not the library of CUDA ", BATUCADA_CUBLASLT_VERSION));
  }
  return lt;
}

}  // namespace

const absl::StatusOr<CublasLt>& LoadCublasLt() {
  static const absl::StatusOr<CublasLt>* const lt = new absl::StatusOr<CublasLt>(Load());
  return *lt;
}

}  // namespace batucada::cuda
