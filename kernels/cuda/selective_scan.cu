#include "kernels/cuda/selective_scan.h"

namespace batucada::cuda {

cudaError_t SelectiveScan(const SelectiveScanParams& params, const Target& target) {
  if (params.num_decode > 0) {
    const cudaError_t error =
        params.before == nullptr ? SelectiveScanStep(params, target) : SelectiveScanDrafts(params, target);
    if (error != cudaSuccess) return error;
  }
  return params.num_sequences > params.num_decode ? SelectiveScanPrompts(params, target) : cudaSuccess;
}

}  // namespace batucada::cuda
