#include "kernels/cpu/pack.h"

#include <cstring>

#include "base/float16.h"

namespace batucada {
namespace {

// Element i of an unaligned array.
template <typename T>
T LoadElement(const void* data, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

float LoadAsFloat(const void* data, DType dtype, int64_t i) {
  switch (dtype) {
    case DType::kBf16: return FloatFromBf16(LoadElement<uint16_t>(data, i));
    case DType::kF16: return FloatFromFp16(LoadElement<uint16_t>(data, i));
    default: return LoadElement<float>(data, i);
  }
}

// Walks the panels that rows [first_row, first_row + part.rows) touch, `load(i)` being element i of the part.
template <typename T, typename Load>
void PackAs(const HostTensor& part, T* packed, DType dtype, int64_t in, int64_t first_row, ThreadPool& pool,
            const Load& load) {
  const int64_t first_panel = first_row / kPanelWidth;
  const int64_t end_row = first_row + part.rows;
  pool.ParallelFor(NumPanels(end_row) - first_panel, Grain(), [&](int64_t begin, int64_t end, int) {
    for (int64_t panel = first_panel + begin; panel < first_panel + end; ++panel) {
      const int64_t from = std::max(first_row, panel * kPanelWidth);
      const int64_t to = std::min(end_row, (panel + 1) * kPanelWidth);
      for (int64_t k = 0; k < part.cols; ++k) {
        for (int64_t row = from; row < to; ++row) {
          packed[PackedIndex(row, k, in, dtype)] = load((row - first_row) * part.cols + k);
        }
      }
    }
  });
}

}  // namespace

size_t PackedBytes(int64_t out, int64_t in, DType dtype) {
  return static_cast<size_t>(NumPanels(out) * PanelElements(in, dtype)) * SizeOf(dtype);
}

void PackRows(const HostTensor& part, void* packed, DType dtype, int64_t in, int64_t first_row, ThreadPool& pool) {
  if (dtype == DType::kBf16) {
    PackAs(part, static_cast<uint16_t*>(packed), dtype, in, first_row, pool,
           [&](int64_t i) { return LoadElement<uint16_t>(part.data, i); });
  } else {
    PackAs(part, static_cast<float*>(packed), dtype, in, first_row, pool,
           [&](int64_t i) { return LoadAsFloat(part.data, part.dtype, i); });
  }
}

void ConvertToFloats(const void* from, DType dtype, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = LoadAsFloat(from, dtype, i);
}

}  // namespace batucada
