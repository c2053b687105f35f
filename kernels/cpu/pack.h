// How weight matrices lie in memory on the CPU.
//
// A matrix W [out, in] is cut into panels of kPanelWidth outputs. A panel of fp32 is stored input by input, one of bf16
// by pairs of inputs, as instructions that multiply bf16 want them (the last one of an odd number has a zero beside
// it):
//
//   fp32:  for k in [0, in):       W[32p + 0][k], W[32p + 1][k], …, W[32p + 31][k]
//   bf16:  for k in 0, 2, 4, …:    W[32p + 0][k], W[32p + 0][k + 1], W[32p + 1][k], W[32p + 1][k + 1], …
//
// so a product reads memory strictly forward, and 32 dot products go two cache lines on with one input (fp32) or two
// (bf16): every output accumulates over k in the same order, whatever the batch. The last panel is filled up with
// zeros. Weights stay bf16 or fp32 as in the file; fp16 becomes fp32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/rounding.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

inline constexpr int64_t kPanelWidth = 32;

inline int64_t NumPanels(int64_t out) { return CeilDiv(out, kPanelWidth); }
// Inputs that stand together.
inline int64_t InputsTogether(DType dtype) { return dtype == DType::kBf16 ? 2 : 1; }
inline int64_t PanelElements(int64_t in, DType dtype) { return RoundUp(in, InputsTogether(dtype)) * kPanelWidth; }

// Index of W[row][k]. REQUIRES: dtype is kBf16 or kF32.
inline int64_t PackedIndex(int64_t row, int64_t k, int64_t in, DType dtype) {
  const int64_t together = InputsTogether(dtype), first = k / together * together;
  return row / kPanelWidth * PanelElements(in, dtype) + first * kPanelWidth + row % kPanelWidth * together + k - first;
}

// Bytes of a packed matrix. REQUIRES: dtype is kBf16 or kF32, and the product does not overflow.
size_t PackedBytes(int64_t out, int64_t in, DType dtype);

// Writes part [rows, cols] into `packed` (dtype, `in` columns, zeroed before) as rows first_row … first_row + rows - 1.
// REQUIRES: part.cols <= in; part.dtype is kBf16, kF16 or kF32; dtype is kF32, or kBf16 and so is the part.
void PackRows(const HostTensor& part, void* packed, DType dtype, int64_t in, int64_t first_row, ThreadPool& pool);

// Converts n contiguous elements of a file, aligned or not, to fp32.
void ConvertToFloats(const void* from, DType dtype, int64_t n, float* to);

}  // namespace batucada
