#include "kernels/cpu/matmul_amx.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/rounding.h"
#include "kernels/cpu/pack.h"

#define BATUCADA_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define BATUCADA_AMX __attribute__((target("amx-tile,amx-bf16,avx512f")))

namespace batucada {
namespace {

constexpr int64_t kTileRows = 16;    // of x and y
constexpr int64_t kTileInputs = 32;  // of x, and of W by 16 outputs
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kParts = 2;                                   // of an fp32
constexpr int64_t kRowTileBytes = kParts * kTileBytes;          // x's, of one block of inputs
constexpr int64_t kPanelBytes = kTileInputs * kPanelWidth * 2;  // W's, likewise
constexpr int64_t kMostRows = 512;                              // that are packed at once
constexpr int64_t kMinWork = 16 << 10;                          // multiply-adds for which a fork pays
// Blocks of inputs of two tiles of x's rows (96 KiB) while so many panels of W (48 KiB each) pass by, both in L2. Fewer
// would have y read and written more often.
constexpr int64_t kBlocksTogether = 24;
constexpr int64_t kPanelsTogether = 16;
constexpr int64_t kFewRows = 2 * kTileRows;  // for which W is read once, as it lies

// The operand of LDTILECFG: eight tiles of at most 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved = {};
  std::array<uint16_t, 16> row_bytes = {64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0 to 3 are y's, 4 and 5 W's, 6 and 7 x's.
TileConfig ConfigFor(int64_t rows) {
  const auto height = static_cast<uint8_t>(std::min(rows, kTileRows));
  return {.rows = {height, height, height, height, 16, 16, height, height}};
}

// 16 values as the sum of two bf16. What is no number, or infinite as a bf16, has no second part.
BATUCADA_AVX512 inline void Split(__m512 x, char* upper, char* lower) {
  // Masked, for gcc 12 warns of the unmasked ones' own undefined operand.
  constexpr __mmask16 kAll = 0xFFFF;
  const __m256i high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  const __m512i bits = _mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu16_epi32(kAll, high), 16);
  const __m512 rounded = _mm512_castsi512_ps(bits);
  const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_sub_ps(rounded, rounded), _mm512_setzero_ps(), _CMP_EQ_OQ);
  const __m512 rest = _mm512_maskz_sub_ps(finite, x, rounded);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(upper), high);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lower), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(rest)));
}

// Block `block` of inputs of row tile `tile` of x, `height` rows; rows and inputs past the end are zeros.
BATUCADA_AVX512 void PackTile(const Tensor& x, int64_t block, int64_t tile, int64_t height, char* to) {
  for (int64_t r = 0; r < height; ++r) {
    const int64_t row = tile * kTileRows + r;
    const float* const from = x.As<float>() + std::min(row, x.rows - 1) * x.stride;
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t k = block * kTileInputs + 16 * half;
      const int64_t inside = row < x.rows ? std::clamp<int64_t>(x.cols - k, 0, 16) : 0;
      char* const at = to + r * 64 + half * 32;
      Split(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << inside) - 1), from + k), at, at + kTileBytes);
    }
  }
}

// A piece, which one thread computes: panels [first_panel, end_panel) of y.
struct AmxPart {
  PackedWeights w;
  const char* x;  // packed: [block of inputs][tile of rows][part]
  Tensor y;
  MatMulMode mode;
  int64_t first_panel;
  int64_t end_panel;

  int64_t blocks() const { return CeilDiv(w.in, kTileInputs); }
  int64_t tiles() const { return CeilDiv(y.rows, kTileRows); }
};

// Where one or two tiles of rows by a panel's 32 columns of y are computed.
struct Corner {
  float* at;
  int64_t stride;  // bytes
};

// Asks the memory for a block of W, which may lie past the end of a panel, or of W.
BATUCADA_AMX inline void Prefetch(const char* w) {
  for (int64_t line = 0; line < kPanelBytes; line += 64) _mm_prefetch(w + line, _MM_HINT_T0);
}

// `blocks` blocks of inputs, of two tiles of rows by a panel.
BATUCADA_AMX void MultiplyTwo(const char* x, int64_t x_step, const char* w, int64_t blocks, Corner y, bool load_y) {
  char* const top = reinterpret_cast<char*>(y.at);
  char* const bottom = top + kTileRows * y.stride;
  if (load_y) {
    _tile_loadd(0, top, y.stride);
    _tile_loadd(1, top + 64, y.stride);
    _tile_loadd(2, bottom, y.stride);
    _tile_loadd(3, bottom + 64, y.stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t block = 0; block < blocks; ++block, x += x_step, w += kPanelBytes) {
    Prefetch(w + kPanelBytes);
    _tile_loadd(4, w, 128);
    _tile_loadd(5, w + 64, 128);
    for (int64_t part = 0; part < kParts; ++part) {
      _tile_loadd(6, x + part * kTileBytes, 64);
      _tile_loadd(7, x + kRowTileBytes + part * kTileBytes, 64);
      _tile_dpbf16ps(0, 6, 4);
      _tile_dpbf16ps(1, 6, 5);
      _tile_dpbf16ps(2, 7, 4);
      _tile_dpbf16ps(3, 7, 5);
    }
  }
  _tile_stored(0, top, y.stride);
  _tile_stored(1, top + 64, y.stride);
  _tile_stored(2, bottom, y.stride);
  _tile_stored(3, bottom + 64, y.stride);
}

// The same of one tile of rows.
BATUCADA_AMX void MultiplyOne(const char* x, int64_t x_step, const char* w, int64_t blocks, Corner y, bool load_y) {
  char* const top = reinterpret_cast<char*>(y.at);
  if (load_y) {
    _tile_loadd(0, top, y.stride);
    _tile_loadd(1, top + 64, y.stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
  }
  for (int64_t block = 0; block < blocks; ++block, x += x_step, w += kPanelBytes) {
    Prefetch(w + 4 * kPanelBytes);  // bound by reading W
    _tile_loadd(4, w, 128);
    _tile_loadd(5, w + 64, 128);
    for (int64_t part = 0; part < kParts; ++part) {
      _tile_loadd(6, x + part * kTileBytes, 64);
      _tile_dpbf16ps(0, 6, 4);
      _tile_dpbf16ps(1, 6, 5);
    }
  }
  _tile_stored(0, top, y.stride);
  _tile_stored(1, top + 64, y.stride);
}

// Blocks [first, end) of inputs of panel p and the one or two tiles of rows from `tile` on.
BATUCADA_AMX void MultiplyCorner(const AmxPart& part, int64_t p, int64_t tile, int64_t first, int64_t end) {
  alignas(64) std::array<char, kPanelBytes> last;
  alignas(64) std::array<float, 2 * kTileRows * kPanelWidth> edge;
  const bool two = tile + 1 < part.tiles();
  const int64_t row = tile * kTileRows, rows = std::min(part.y.rows - row, two ? 2 * kTileRows : kTileRows);
  const int64_t cols = std::min(kPanelWidth, part.w.out - p * kPanelWidth);
  float* const y = part.y.As<float>() + row * part.y.stride + p * kPanelWidth;
  const bool whole = cols == kPanelWidth && (rows % kTileRows == 0 || part.y.rows < kTileRows);
  const Corner corner = whole ? Corner{y, part.y.stride * 4} : Corner{edge.data(), kPanelWidth * 4};
  const bool load_y = first > 0 || part.mode == MatMulMode::kAccumulate;
  if (!whole && load_y) {
    edge.fill(0);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(edge.data() + r * kPanelWidth, y + r * part.y.stride, static_cast<size_t>(cols) * 4);
    }
  }
  const int64_t step = part.tiles() * kRowTileBytes, panel_elements = PanelElements(part.w.in, part.w.dtype);
  const char* const x = part.x + first * step + tile * kRowTileBytes;
  const auto* const panel = static_cast<const char*>(part.w.data) + p * panel_elements * 2;
  // A last block of fewer inputs would reach into the next panel.
  const int64_t inside = std::min(end, part.w.in / kTileInputs) - first;
  const auto multiply = two ? &MultiplyTwo : &MultiplyOne;
  if (inside > 0) multiply(x, step, panel + first * kPanelBytes, inside, corner, load_y);
  if (inside < end - first) {
    const int64_t begin = (end - 1) * kPanelBytes;
    last.fill(0);
    std::memcpy(last.data(), panel + begin, static_cast<size_t>(panel_elements * 2 - begin));
    multiply(x + inside * step, step, last.data(), 1, corner, load_y || inside > 0);
  }
  for (int64_t r = 0; r < rows && !whole; ++r) {
    std::memcpy(y + r * part.y.stride, edge.data() + r * kPanelWidth, static_cast<size_t>(cols) * 4);
  }
}

BATUCADA_AMX void MultiplyPanels(const AmxPart& part) {
  const TileConfig config = ConfigFor(part.y.rows);
  _tile_loadconfig(&config);
  const int64_t together = part.y.rows <= kFewRows ? part.blocks() : kBlocksTogether;
  for (int64_t group = part.first_panel; group < part.end_panel; group += kPanelsTogether) {
    const int64_t end_panel = std::min(group + kPanelsTogether, part.end_panel);
    for (int64_t first = 0; first < part.blocks(); first += together) {
      const int64_t end = std::min(first + together, part.blocks());
      for (int64_t tile = 0; tile < part.tiles(); tile += 2) {
        for (int64_t p = group; p < end_panel; ++p) MultiplyCorner(part, p, tile, first, end);
      }
    }
  }
  _tile_release();
}

void MultiplyRows(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
                  ThreadPool& pool) {
  const int64_t tiles = CeilDiv(x.rows, kTileRows), blocks = CeilDiv(w.in, kTileInputs);
  const int64_t bytes = tiles * blocks * kRowTileBytes, height = std::min(x.rows, kTileRows);
  char* const packed = reinterpret_cast<char*>(scratch.rows.Floats(static_cast<size_t>(bytes) / sizeof(float)));
  const Grain few = Grain::Of(kMinWork, kTileInputs * height);
  pool.ParallelFor(tiles * blocks, few, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) PackTile(x, i / tiles, i % tiles, height, packed + i * kRowTileBytes);
  });
  const Grain grain = Grain::Of(kMinWork, x.rows * PanelElements(w.in, w.dtype));
  pool.ParallelFor(NumPanels(w.out), grain, [&](int64_t begin, int64_t end, int) {
    MultiplyPanels({w, packed, y, mode, begin, end});
  });
}

}  // namespace

void MatMulAmx(const PackedWeights& w, const Tensor& x, const Tensor& y, MatMulMode mode, MatMulScratch& scratch,
               ThreadPool& pool) {
  const int64_t parts = CeilDiv(x.rows, kMostRows);
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = x.rows * part / parts, rows = x.rows * (part + 1) / parts - begin;
    MultiplyRows(w, x.Rows(begin, rows), y.Rows(begin, rows), mode, scratch, pool);
  }
}

}  // namespace batucada

#else

#include <cstdlib>

namespace batucada {

void MatMulAmx(const PackedWeights&, const Tensor&, const Tensor&, MatMulMode, MatMulScratch&, ThreadPool&) {
  std::abort();  // UsesAmx() is false
}

}  // namespace batucada

#endif
