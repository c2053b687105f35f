// MakeCudaOps of a build without nvcc.
#include "kernels/ops.h"

namespace batucada {

absl::StatusOr<std::unique_ptr<Ops>> MakeCudaOps(int, RowMath, std::unique_ptr<Communicator>) {
  return absl::UnavailableError(
      "this build has no CUDA backend: nvcc was not found when it was configured, or BATUCADA_CUDA was OFF");
}

}  // namespace batucada
