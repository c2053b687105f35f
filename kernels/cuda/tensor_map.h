// Tensor maps: how TMA sees a matrix.
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace batucada::cuda {

// Columns of a box: 64 bf16 are 128 bytes, the widest row TMA swizzles against bank conflicts.
inline constexpr int kBoxCols = 64;

// A bf16 matrix [rows, cols], rows `stride` elements apart, read in boxes of `box_rows` rows by kBoxCols columns. In
// shared memory a box is [box_rows][64] with the packs of 16 bytes swizzled as by TileOffset<64>. data aligned to 16
// bytes, stride a multiple of 8.
cudaError_t MakeTensorMap(const void* data, int64_t rows, int64_t cols, int64_t stride, int box_rows, CUtensorMap* map);

// The same, read `panels` boxes side by side at a time, as [panels][box_rows][64]: one copy instead of several, which
// is why panels are the last dimension, though their stride is the smallest. cols a multiple of kBoxCols. The L2 cache
// fetches a box's width of a row at a time, otherwise that of two.
cudaError_t MakePanelMap(const void* data, int64_t rows, int64_t cols, int64_t stride, int box_rows, int panels,
                         CUtensorMap* map);

}  // namespace batucada::cuda
