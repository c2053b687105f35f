// Drafts among the decode rows: see BatchView::before, and Ops for what is done with them.
// KeepDrafts copies at most a slot a sequence, 2 · slot_bytes over the copy bandwidth; the rest is two short launches.
#pragma once

#include <cstdint>

#include "kernels/batch_view.h"
#include "kernels/cuda/launch.h"
#include "kernels/ops.h"

namespace batucada::cuda {

#ifdef __CUDACC__
__device__ __forceinline__ bool IsDraft(const int32_t* before, const int32_t* slot, int sequence) {
  return before != nullptr && before[sequence] != slot[sequence];
}
#endif

cudaError_t PlaceRows(const BatchView& batch, const PlaceRowsArgs& args, const Target& target);
cudaError_t KeepDrafts(const BatchView& batch, const KeepDraftsArgs& args, const Target& target);

}  // namespace batucada::cuda
