// y = x · Wᵀ over bf16 weights with AMX, a processor's tiles of bf16, for one row or thousands.
//
// An fp32 of x is taken as the sum of two bf16, upper and lower, which keep 17 bits of it (of 24; the rest is at most
// 2⁻¹⁷ of the value). Each meets W in TDPBF16PS: 16 rows × 32 inputs by 32 inputs × 16 outputs, added up in fp32
// (Intel, Instruction Set Extensions Programming Reference, ch. 3). Four tiles of y are held in registers and 32 inputs
// at a time walked forward, upper before lower, however many rows there are: a row's result is bit for bit the same
// alone and in any batch. Values below 2⁻¹²⁶ count as zeros.
//
// Floor: max(bytes of W / memory bandwidth, 4·rows·in·out / peak of the tiles, which two threads of a core share).
#pragma once

#include "kernels/cpu/matmul.h"

namespace batucada {

// As MatMul. REQUIRES: w.dtype is kBf16, and UsesAmx().
void MatMulAmx(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
               ThreadPool& pool);

}  // namespace batucada
