#include "engine/model/tensor_source.h"

#include <cstring>

#include "base/float16.h"
#include "base/status.h"

namespace batucada {
namespace {

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
      case DType::kBf16: values[i] = FloatFromBf16(ElementAt<uint16_t>(tensor.data, i)); break;
      case DType::kF16: values[i] = FloatFromFp16(ElementAt<uint16_t>(tensor.data, i)); break;
      case DType::kI32:
      case DType::kI64: BATUCADA_CHECK(false, "a weight cannot be an integer"); break;
    }
  }
  return values;
}

}  // namespace batucada
