#include "engine/model/tensor_source.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/status.h"

namespace batucada {
namespace {

// IEEE half precision: 1 sign, 5 exponent and 10 mantissa bits.
float FromFp16(uint16_t half) {
  const float sign = (half & 0x8000) != 0 ? -1.0F : 1.0F;
  const int exponent = (half >> 10) & 0x1f;
  const int mantissa = half & 0x3ff;
  if (exponent == 0x1f) return mantissa != 0 ? std::numeric_limits<float>::quiet_NaN() : sign * HUGE_VALF;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa | 0x400), exponent - 25);
}

// Element `i` of possibly unaligned data.
template <typename T>
T ElementAt(const void* data, size_t i) {
  T element;
  std::memcpy(&element, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return element;
}

}  // namespace

std::vector<float> ToFloats(const HostTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
  for (size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype) {
      case DType::kF32: values[i] = ElementAt<float>(tensor.data, i); break;
      case DType::kBf16: values[i] = std::bit_cast<float>(uint32_t{ElementAt<uint16_t>(tensor.data, i)} << 16); break;
      case DType::kF16: values[i] = FromFp16(ElementAt<uint16_t>(tensor.data, i)); break;
      case DType::kI32:
      case DType::kI64: BATUCADA_CHECK(false, "a weight cannot be an integer"); break;
    }
  }
  return values;
}

}  // namespace batucada
