// out = in · wᵀ, out += in · wᵀ or SwiGLU of the product for the rows of a larger decode step, on Hopper: wgmma fed by
// TMA.
//   w [n, k] bf16 row-major and contiguous, in [rows, k] bf16, out [rows, n] bf16 or fp32; k a multiple of 8, w and in
//   aligned to 16 bytes with strides that are multiples of 8
// A block multiplies 64 weight rows, or 80 or 128 of some large products, with up to 128 input rows, which are M of
// wgmma; a producer warp feeds a ring of stages of both by TMA (warp specialisation). Weights do not depend on the
// kernel before, so the ring fills while that one still runs. Where n gives too few blocks, several share a tile along
// k (split-K). They leave their sums to the next kernel (kPartsF32, whose tail is 0.5 µs) or, as a cluster, add them up
// in shared memory in fixed order (2.5 µs).
// It serves 17 to 128 rows, or fewer where RingMatMul does not, up to 256 of x_proj's few columns, and can do with any
// number: more than 128 are blocks of so many, each with 128 weight rows. A row's sums are the same bits whatever the
// number: the cut along k goes by n and k alone, and a block adds up its part of k in the same order. What that takes
// is in docs/benchmarks/h200-model.md. Floor: 2·n·k bytes over the copy bandwidth. Measured on an H200, Samba 1.7B at
// 64 rows: gate_up 90% of the floor, in_proj 83%, down 80%, out_proj 70%, o_proj 60% as parts for a norm; 60, 51 and
// 36% with their sums added up in a cluster, qkv 38%.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/matmul_params.h"

namespace batucada::cuda {

// Whether MediumMatMul can compute this product on this device, and whether it is the fastest that can.
bool MediumMatMulComputes(const MatMulParams& params, const Target& target);
bool MediumMatMulServes(const MatMulParams& params, const Target& target);

// How many parts of k the product is cut into: what kPartsF32 leaves in `out`.
int MediumMatMulParts(const MatMulParams& params, const Target& target);

cudaError_t MediumMatMul(const MatMulParams& params, const Target& target);

}  // namespace batucada::cuda
