#include "kernels/cpu/embed.h"

#include <cstring>

#include "base/float16.h"
#include "kernels/cpu/pack.h"

namespace batucada {
namespace {

// Rows are copied by several threads only if there is enough to copy.
constexpr int64_t kMinElements = 16 << 10;

Grain RowGrain(int64_t cols) { return Grain::Of(kMinElements, cols); }

void UnpackRow(const PackedWeights& table, int64_t row, float* out) {
  const int64_t first = PackedIndex(row, 0, table.in, table.dtype);
  if (table.dtype == DType::kBf16) {
    const uint16_t* from = static_cast<const uint16_t*>(table.data) + first;
    for (int64_t k = 0; k < table.in; ++k) out[k] = FloatFromBf16(from[k / 2 * 2 * kPanelWidth + k % 2]);
  } else {
    const float* from = static_cast<const float*>(table.data) + first;
    for (int64_t k = 0; k < table.in; ++k) out[k] = from[k * kPanelWidth];
  }
}

}  // namespace

void Embed(const PackedWeights& table, const BatchView& b, const Tensor& out, ThreadPool& pool) {
  pool.ParallelFor(out.rows, RowGrain(out.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      UnpackRow(table, TokenOfRow(b, static_cast<int32_t>(t)), out.As<float>() + t * out.stride);
    }
  });
}

void GatherRows(const Tensor& x, const int32_t* rows, const Tensor& out, ThreadPool& pool) {
  pool.ParallelFor(out.rows, RowGrain(out.cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(out.As<float>() + i * out.stride, x.As<float>() + rows[i] * x.stride,
                  static_cast<size_t>(out.cols) * sizeof(float));
    }
  });
}

}  // namespace batucada
