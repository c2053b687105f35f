// out = in · wᵀ, out += in · wᵀ or SwiGLU of the product for up to 16 rows, on Hopper (GEMV and narrow GEMM): the
// weights stream once through shared memory, which is all the time there is to spend.
//   w [n, k] bf16 row-major and contiguous, in [rows, k] bf16, out [rows, n] bf16 or fp32; k a multiple of 64, w and in
//   aligned to 16 bytes with strides that are multiples of 8
// A producer warp feeds a ring of stages by TMA, four warps multiply on tensor cores (mma.sync) with weight rows as M.
// Weights do not depend on the kernel before, so the ring fills while that one still runs. For the first time it fills
// slowly: a block asks for the next stage only when the one before has arrived. What all blocks of a device have under
// way is then about what keeps its memory busy (bandwidth times latency, 32 KB a multiprocessor), and no more, so that
// what the kernel in front still has to read does not queue behind weights that nobody waits for yet. Blocks are small,
// so that those of several products share a multiprocessor. Where the next kernel adds up parts, blocks share a tile
// along k. Floor: 2·n·k bytes over the copy bandwidth.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

namespace batucada::cuda {

// Whether RingMatMul serves these shapes on this device.
bool RingMatMulServes(const MatMulParams& params, const Target& target);

// How the product is spread over blocks.
struct RingCut {
  int tile = 0;   // weight rows of a block: 16, 32 or 64
  int parts = 1;  // blocks that share a tile along k; more than one for kPartsF32 alone
  int slots = 0;  // stages in a block's ring, of 8 KB of weights in tiles of 16 rows, otherwise of 16; less if need be
};
RingCut ChooseRingCut(const MatMulParams& params, const Target& target);
cudaError_t RingMatMul(const MatMulParams& params, const Target& target, const RingCut& cut);
cudaError_t RingMatMul(const MatMulParams& params, const Target& target);

}  // namespace batucada::cuda
