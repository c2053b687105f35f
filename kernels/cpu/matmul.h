// y = x · Wᵀ over packed weights (see pack.h), for one row or thousands.
//
// One micro-kernel holds a tile of rows × 2 vectors of outputs in registers and walks k forward. Every output element
// is the same chain of fused multiply-adds, k = 0, 1, 2, … from 0 (or from the old value when accumulating), however
// many rows there are, however they are tiled, blocked or divided among threads: a row's result is bit for bit the same
// alone and in any batch.
//
//  - Few rows (decode): bound by reading the weights once. Tiles read W as stored and widen bf16 in registers.
//  - Many rows (prefill): bound by arithmetic. x is packed into tiles once, panels are widened to fp32 a block of k at
//  a
//    time, and blocks are sized so that the panel stays in L1 and the rows in L2.
//
// Floor: max(bytes of W / memory bandwidth, 2·rows·in·out / peak fp32 arithmetic).
#pragma once

#include <cstdint>

#include "kernels/cpu/aligned_scratch.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

enum class MatMulMode { kOverwrite, kAccumulate };

struct PackedWeights {
  const void* data = nullptr;  // packed [out, in]
  DType dtype = DType::kBf16;  // kBf16 or kF32
  int64_t out = 0;
  int64_t in = 0;
};

// Working memory of MatMul, kept between calls so that it allocates only while it grows.
struct MatMulScratch {
  const bool amx = UsesAmx();  // bf16 weights are multiplied as matmul_amx.h says
  AlignedScratch rows;         // packed x
  AlignedScratch panel;        // one widened block of a panel per thread
};

// x [rows, w.in] and y [rows, w.out] fp32 with their strides; columns past w.out are not touched. x and y do not
// overlap.
void MatMul(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
            ThreadPool& pool);

}  // namespace batucada
