#include "kernels/cpu/matmul.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/rounding.h"
#include "kernels/cpu/matmul_amx.h"
#include "kernels/cpu/pack.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/matmul.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/cache_control.h"
#include "hwy/highway.h"

#ifndef BATUCADA_KERNELS_CPU_MATMUL_ONCE_
#define BATUCADA_KERNELS_CPU_MATMUL_ONCE_
namespace batucada {

// A piece of a product, which one thread computes: panels [first_panel, end_panel) of y.
struct MatMulPart {
  PackedWeights w;
  Tensor x;
  Tensor y;
  MatMulMode mode;
  int64_t first_panel;
  int64_t end_panel;
};

// x as the many-rows path keeps it: [block of k][tile of rows][k within the block][row within the tile].
inline constexpr int64_t kBlockK = 192;        // a widened block of a panel is 24 KiB: half of L1
inline constexpr int64_t kMaxBlockRows = 532;  // a block of x is at most 399 KiB: fits in L2 beside the panel
inline constexpr int64_t kGroupPanels = 8;     // a group's part of y is at most 532 KiB

}  // namespace batucada
#endif  // BATUCADA_KERNELS_CPU_MATMUL_ONCE_

HWY_BEFORE_NAMESPACE();
namespace batucada {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kPanelWidth / 2>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = hn::MaxLanes(D());
// Register tiles are kRows × kTileVectors accumulators, beside kTileVectors weights and one activation: 28 + 3 of 32
// registers with AVX-512, 12 + 3 of 16 without.
constexpr int kTileVectors = 2;
constexpr int kPackedTileRows = HWY_TARGET <= HWY_AVX3 ? 14 : 6;
constexpr int kDirectTileRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
// 2 KiB of bf16: one core reads memory a fifth faster than with the hardware's prefetching alone.
constexpr int kAheadOfStream = 32;
// From here on packing x pays.
constexpr int64_t kManyRows = HWY_TARGET <= HWY_AVX3 ? 64 : 24;

// What stands together in a panel: kCount inputs of as many outputs as a vector has lanes.
template <class W>
struct Inputs;

template <>
struct Inputs<float> {
  static constexpr int kCount = 1;
  V w[kCount];
  explicit HWY_INLINE Inputs(const float* from) : w{hn::LoadU(D(), from)} {}
};

template <>
struct Inputs<hwy::bfloat16_t> {
  static constexpr int kCount = 2;
  V w[kCount];
  // bf16 is the upper half of fp32.
  explicit HWY_INLINE Inputs(const hwy::bfloat16_t* from) {
    const hn::RebindToUnsigned<D> d32;
    const auto pairs = hn::LoadU(d32, reinterpret_cast<const uint32_t*>(from));
    w[0] = hn::BitCast(D(), hn::ShiftLeft<16>(pairs));
    w[1] = hn::BitCast(D(), hn::And(pairs, hn::Set(d32, 0xFFFF0000)));
  }
};

// y[r][0 … kVectors·N) += Σ_k x(r, k) · w[k][…], in the order of k. x(r, k) = x[r·row_stride + k·k_stride]; the weights
// of the next inputs that stand together lie w_stride elements further. kAhead > 0: asks the memory for weights that
// many strides ahead, also across the ends of panels.
template <int kRows, int kVectors, int kAhead, class W>
HWY_INLINE void MultiplyTile(const W* HWY_RESTRICT w, int64_t w_stride, int64_t k_count, const float* HWY_RESTRICT x,
                             int64_t row_stride, int64_t k_stride, float* HWY_RESTRICT y, int64_t y_stride,
                             bool load_y) {
  const D d;
  constexpr int kTogether = Inputs<W>::kCount;
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load_y ? hn::LoadU(d, y + r * y_stride + v * kLanes) : hn::Zero(d);
  }
  // The first `count` of the inputs that stand together.
  const auto step = [&](auto count) HWY_ATTR {
    constexpr int kCount = decltype(count)::value;
    V weight[kTogether][kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Inputs<W> inputs(w + v * kLanes * kTogether);
#pragma GCC unroll 2
      for (int i = 0; i < kCount; ++i) weight[i][v] = inputs.w[i];
    }
    if constexpr (kAhead > 0) {
      hwy::Prefetch(w + kAhead * w_stride);
      if constexpr (kTogether * sizeof(W) * kPanelWidth > 64) hwy::Prefetch(w + kAhead * w_stride + w_stride / 2);
    }
    w += w_stride;
#pragma GCC unroll 2
    for (int i = 0; i < kCount; ++i) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V activation = hn::Set(d, x[r * row_stride]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(activation, weight[i][v], sum[r][v]);
      }
      x += k_stride;
    }
  };
  for (int64_t k = 0; k + kTogether <= k_count; k += kTogether) step(std::integral_constant<int, kTogether>());
  if (k_count % kTogether != 0) step(std::integral_constant<int, 1>());
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, y + r * y_stride + v * kLanes);
  }
}

// A tile of y that may stick out of y on the right or below: computed in a small array and copied.
template <class Multiply>
HWY_INLINE void MultiplyEdge(float* y, int64_t y_stride, int64_t rows, int64_t cols, int64_t width, bool load_y,
                             const Multiply& multiply) {
  HWY_ALIGN float tile[kPackedTileRows * kPanelWidth] = {};
  if (load_y) {
    for (int64_t r = 0; r < rows; ++r) std::memcpy(tile + r * width, y + r * y_stride, static_cast<size_t>(cols) * 4);
  }
  multiply(tile, width);
  for (int64_t r = 0; r < rows; ++r) std::memcpy(y + r * y_stride, tile + r * width, static_cast<size_t>(cols) * 4);
}

// ---------------------------------------------------------------------------------------------------------- few rows
// kRows rows of one panel, all of k. One row takes the whole panel at once, to have chains enough to hide the latency.
template <int kRows, class W>
void MultiplyPanelRows(const W* panel, const MatMulPart& part, int64_t first_row, int64_t first_col) {
  constexpr int kVectors = kRows == 1 ? static_cast<int>(kPanelWidth / kLanes) : kTileVectors;
  constexpr int64_t kWidth = kVectors * kLanes;
  const bool load_y = part.mode == MatMulMode::kAccumulate;
  const float* x = part.x.As<float>() + first_row * part.x.stride;
  for (int64_t col = 0; col < std::min(kPanelWidth, part.w.out - first_col); col += kWidth) {
    float* y = part.y.As<float>() + first_row * part.y.stride + first_col + col;
    const auto multiply = [&](float* to, int64_t stride) HWY_ATTR {
      constexpr int kTogether = Inputs<W>::kCount;
      MultiplyTile<kRows, kVectors, kAheadOfStream / kTogether>(panel + col * kTogether, kPanelWidth * kTogether,
                                                                part.w.in, x, part.x.stride, 1, to, stride, load_y);
    };
    const int64_t cols = std::min(kWidth, part.w.out - first_col - col);
    if (cols == kWidth) {
      multiply(y, part.y.stride);
    } else {
      MultiplyEdge(y, part.y.stride, kRows, cols, kWidth, load_y, multiply);
    }
  }
}

template <class W>
void MultiplyFewRowsOf(const MatMulPart& part) {
  using PanelFn = void (*)(const W*, const MatMulPart&, int64_t, int64_t);
  static constexpr PanelFn kByRows[] = {
    nullptr,
    &MultiplyPanelRows<1, W>,
    &MultiplyPanelRows<2, W>,
    &MultiplyPanelRows<3, W>,
    &MultiplyPanelRows<4, W>,
#if HWY_TARGET <= HWY_AVX3
    &MultiplyPanelRows<5, W>,
    &MultiplyPanelRows<6, W>,
    &MultiplyPanelRows<7, W>,
    &MultiplyPanelRows<8, W>,
#endif
  };
  // Tiles of nearly equal height: 9 rows are 5 + 4, not 8 + 1.
  const int64_t rows = part.x.rows;
  const int64_t tiles = CeilDiv(rows, kDirectTileRows);
  for (int64_t p = part.first_panel; p < part.end_panel; ++p) {
    const W* panel = static_cast<const W*>(part.w.data) + p * PanelElements(part.w.in, part.w.dtype);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t begin = rows * t / tiles, end = rows * (t + 1) / tiles;
      kByRows[end - begin](panel, part, begin, p * kPanelWidth);
    }
  }
}

void MultiplyFewRows(const MatMulPart& part) {
  if (part.w.dtype == DType::kBf16) {
    MultiplyFewRowsOf<hwy::bfloat16_t>(part);
  } else {
    MultiplyFewRowsOf<float>(part);
  }
}

// --------------------------------------------------------------------------------------------------------- many rows
// Tiles [first_tile, end_tile) of x into `packed`, rows past the end as zeros.
void PackTiles(const Tensor& x, int64_t tiles, int64_t first_tile, int64_t end_tile, float* packed) {
  for (int64_t k0 = 0; k0 < x.cols; k0 += kBlockK) {
    const int64_t k_count = std::min(kBlockK, x.cols - k0);
    for (int64_t tile = first_tile; tile < end_tile; ++tile) {
      float* to = packed + (k0 * tiles + k_count * tile) * kPackedTileRows;
      for (int64_t r = 0; r < kPackedTileRows; ++r) {
        const int64_t row = tile * kPackedTileRows + r;
        const float* from = x.As<float>() + row * x.stride + k0;
        for (int64_t k = 0; k < k_count; ++k) to[k * kPackedTileRows + r] = row < x.rows ? from[k] : 0;
      }
    }
  }
}

// Block [k0, k0 + k_count) of a panel as fp32, [columns of a tile at a time][k][tile width].
template <class W>
HWY_INLINE void WidenPanel(const W* HWY_RESTRICT panel, int64_t k_count, float* HWY_RESTRICT wide) {
  constexpr int64_t kWidth = kTileVectors * kLanes, kTogether = Inputs<W>::kCount;
  for (int64_t k = 0; k < k_count; k += kTogether) {
    for (int64_t col = 0; col < kPanelWidth; col += kLanes) {
      const Inputs<W> inputs(panel + k * kPanelWidth + col * kTogether);
      float* const to = wide + (col / kWidth * k_count + k) * kWidth + col % kWidth;
      for (int64_t i = 0; i < std::min(kTogether, k_count - k); ++i) hn::Store(inputs.w[i], D(), to + i * kWidth);
    }
  }
}

// Columns of y under one panel, over all tiles of rows, for one block of k.
template <class W>
void MultiplyBlock(const MatMulPart& part, int64_t p, int64_t k0, const float* packed, float* wide) {
  constexpr int64_t kWidth = kTileVectors * kLanes;
  const int64_t k_count = std::min(kBlockK, part.w.in - k0);
  const bool load_y = k0 > 0 || part.mode == MatMulMode::kAccumulate;
  const int64_t tiles = CeilDiv(part.x.rows, kPackedTileRows);
  const int64_t panel_cols = std::min(kPanelWidth, part.w.out - p * kPanelWidth);
  WidenPanel(static_cast<const W*>(part.w.data) + p * PanelElements(part.w.in, part.w.dtype) + k0 * kPanelWidth,
             k_count, wide);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const float* x = packed + (k0 * tiles + k_count * tile) * kPackedTileRows;
    const int64_t rows_left = part.x.rows - tile * kPackedTileRows;
    const int64_t rows = std::min<int64_t>(kPackedTileRows, rows_left);
    float* y = part.y.As<float>() + tile * kPackedTileRows * part.y.stride + p * kPanelWidth;
    // The next tile of y, which has left L1 since the last block of k.
    for (int64_t r = rows; r < std::min(rows + kPackedTileRows, rows_left); ++r) {
      for (int64_t col = 0; col < panel_cols; col += 16) hwy::Prefetch(y + r * part.y.stride + col);
    }
    for (int64_t col = 0; col < panel_cols; col += kWidth) {
      const int64_t cols = std::min(kWidth, panel_cols - col);
      const auto multiply = [&](float* to, int64_t stride) HWY_ATTR {
        MultiplyTile<kPackedTileRows, kTileVectors, 0>(wide + col * k_count, kWidth, k_count, x, 1, kPackedTileRows, to,
                                                       stride, load_y);
      };
      if (rows == kPackedTileRows && cols == kWidth) {
        multiply(y + col, part.y.stride);
      } else {
        MultiplyEdge(y + col, part.y.stride, rows, cols, kWidth, load_y, multiply);
      }
    }
  }
}

// Panels in groups, so that a group's part of y stays in L2 while k passes.
template <class W>
void MultiplyManyRowsOf(const MatMulPart& part, const float* packed, float* wide) {
  for (int64_t group = part.first_panel; group < part.end_panel; group += kGroupPanels) {
    const int64_t end = std::min(group + kGroupPanels, part.end_panel);
    for (int64_t k0 = 0; k0 < part.w.in; k0 += kBlockK) {
      for (int64_t p = group; p < end; ++p) MultiplyBlock<W>(part, p, k0, packed, wide);
    }
  }
}

void MultiplyManyRows(const MatMulPart& part, const float* packed, float* wide) {
  if (part.w.dtype == DType::kBf16) {
    MultiplyManyRowsOf<hwy::bfloat16_t>(part, packed, wide);
  } else {
    MultiplyManyRowsOf<float>(part, packed, wide);
  }
}

int64_t PackedTileRows() { return kPackedTileRows; }
int64_t ManyRows() { return kManyRows; }

}  // namespace HWY_NAMESPACE
}  // namespace batucada
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batucada {
namespace {
HWY_EXPORT(MultiplyFewRows);
HWY_EXPORT(PackTiles);
HWY_EXPORT(MultiplyManyRows);
HWY_EXPORT(PackedTileRows);
HWY_EXPORT(ManyRows);

// Threads share a product by panels; below this many multiply-adds per thread a fork costs more than it brings.
constexpr int64_t kMinWork = 16 << 10;

void MatMulBlock(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
                 ThreadPool& pool) {
  const Grain grain = Grain::Of(kMinWork, x.rows * PanelElements(w.in, w.dtype));
  if (x.rows < HWY_DYNAMIC_DISPATCH(ManyRows)()) {
    pool.ParallelFor(NumPanels(w.out), grain, [&](int64_t begin, int64_t end, int) {
      HWY_DYNAMIC_DISPATCH(MultiplyFewRows)({w, x, y, mode, begin, end});
    });
    return;
  }
  const int64_t tile_rows = HWY_DYNAMIC_DISPATCH(PackedTileRows)();
  const int64_t tiles = CeilDiv(x.rows, tile_rows);
  float* packed = scratch.rows.Floats(static_cast<size_t>(tiles * tile_rows * w.in));
  const size_t wide_floats = static_cast<size_t>(kBlockK * kPanelWidth);
  float* wide = scratch.panel.Floats(static_cast<size_t>(pool.threads()) * wide_floats);
  pool.ParallelFor(tiles, Grain(), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(PackTiles)(x, tiles, begin, end, packed);
  });
  pool.ParallelFor(NumPanels(w.out), grain, [&](int64_t begin, int64_t end, int thread) {
    HWY_DYNAMIC_DISPATCH(MultiplyManyRows)
    ({w, x, y, mode, begin, end}, packed, wide + static_cast<size_t>(thread) * wide_floats);
  });
}

}  // namespace

void MatMul(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
            ThreadPool& pool) {
  if (w.dtype == DType::kBf16 && scratch.amx) return MatMulAmx(w, x, y, mode, scratch, pool);
  // Blocks of equal height: every block reads all weights, so a last one of few rows would cost much for little.
  const int64_t blocks = CeilDiv(x.rows, kMaxBlockRows);
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = x.rows * block / blocks, rows = x.rows * (block + 1) / blocks - begin;
    MatMulBlock(w, x.Rows(begin, rows), y.Rows(begin, rows), mode, scratch, pool);
  }
}

}  // namespace batucada
#endif  // HWY_ONCE
