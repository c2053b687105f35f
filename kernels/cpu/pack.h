// How weight matrices lie in memory on the CPU.
//
// A matrix W [out, in] is cut into panels of kPanelWidth outputs. A panel is stored input by input:
//
//   panel p:  for k in [0, in):  W[32p + 0][k], W[32p + 1][k], …, W[32p + 31][k]
//
// so a product reads memory strictly forward, and one step k of 32 dot products is one or two cache lines (bf16 or
// fp32) that meet one broadcast activation: every output accumulates over k in the same order, whatever the batch. The
// last panel is filled up with zeros. Weights stay bf16 or fp32 as in the file; fp16 becomes fp32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/rounding.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/tensor.h"

namespace batucada {

inline constexpr int64_t kPanelWidth = 32;

inline int64_t NumPanels(int64_t out) { return CeilDiv(out, kPanelWidth); }
inline int64_t PanelElements(int64_t in) { return in * kPanelWidth; }

// Index of W[row][0]; W[row][k] lies k * kPanelWidth further.
inline int64_t PackedRow(int64_t row, int64_t in) { return row / kPanelWidth * PanelElements(in) + row % kPanelWidth; }

// Bytes of a packed matrix. REQUIRES: dtype is kBf16 or kF32, and the product does not overflow.
size_t PackedBytes(int64_t out, int64_t in, DType dtype);

// Writes part [rows, cols] into `packed` (dtype, `in` columns, zeroed before) as rows first_row … first_row + rows - 1.
// REQUIRES: part.cols <= in; part.dtype is kBf16, kF16 or kF32; dtype is kF32, or kBf16 and so is the part.
void PackRows(const HostTensor& part, void* packed, DType dtype, int64_t in, int64_t first_row, ThreadPool& pool);

// Converts n contiguous elements of a file, aligned or not, to fp32.
void ConvertToFloats(const void* from, DType dtype, int64_t n, float* to);

}  // namespace batucada
