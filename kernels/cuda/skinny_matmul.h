// out = in · wᵀ, out += in · wᵀ or SwiGLU of the product for few rows, on Hopper (GEMV and narrow GEMM): the weights
// stream once through shared memory, which is all the time there is to spend.
//   w [n, k] bf16 row-major and contiguous, in [rows, k] bf16, out [rows, n] bf16 or fp32; rows <= 64, k a multiple of
//   8, w and in aligned to 16 bytes with strides that are multiples of 8
// A producer warp feeds a ring of stages by TMA, eight warps multiply on tensor cores (mma.sync) with weight rows as M.
// Weights do not depend on the kernel before, so the ring fills while that one still runs. Where n gives too few
// blocks, a cluster of up to eight shares a tile along k (split-K) and adds up in distributed shared memory, in fixed
// order. Floor: 2·n·k bytes over the copy bandwidth. Measured on an H200, Samba 1.7B at 1 to 16 rows: gate_up 95 to 97%
// of the floor, LM head 98%, in_proj 89%, down 71%, out_proj 64%, qkv 56%, o_proj 54%: what is missing is about 2 µs a
// launch, and 1 more where k is long.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

namespace batucada::cuda {

// Whether SkinnyMatMul serves these shapes on this device.
bool SkinnyMatMulServes(const MatMulParams& params, const Target& target);

// How the product is spread over blocks.
struct SkinnyCut {
  int tile = 0;     // weight rows of a block: 16, 32 or 64; 0: chosen by shape
  int cluster = 1;  // blocks that share a tile along k
};
cudaError_t SkinnyMatMul(const MatMulParams& params, const Target& target, SkinnyCut cut = {});

}  // namespace batucada::cuda
