// Copies of many pieces of memory as one kernel: parts of a sequence's state from slot to slot, or to the host and back
// (pinned memory has the same address on the device). Thread blocks share the bytes of all pieces, 16 at a time
// where a piece is aligned so, else 4 or 1. Floor: bytes read and written over the copy bandwidth, or over that of the
// host's bus.
#pragma once

#include <cuda_runtime.h>

#include <span>

#include "kernels/device.h"

namespace batucada::cuda {

// As many as fit in a kernel's parameters.
inline constexpr int kMaxCopyPieces = 128;

// On at most `max_blocks` thread blocks. REQUIRES: at most kMaxCopyPieces, of which none writes what another
// touches.
cudaError_t CopyPieces(std::span<const CopyPiece> pieces, int max_blocks, cudaStream_t stream);

}  // namespace batucada::cuda
