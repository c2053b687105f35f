#include "engine/model/finite.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/status.h"

namespace batucada {
namespace {

// An element is not finite if its exponent has all bits set: then adding one to the exponent carries into the place of
// the sign, which is masked out before.
struct Format {
  uint64_t exponent;  // of every element in eight bytes
  uint64_t one;       // the exponent's lowest bit
  uint64_t sign;
  size_t element_bytes;
};
constexpr Format kF32 = {0x7F8000007F800000, 0x0080000000800000, 0x8000000080000000, 4};
constexpr Format kBf16 = {0x7F807F807F807F80, 0x0080008000800080, 0x8000800080008000, 2};
constexpr Format kF16 = {0x7C007C007C007C00, 0x0400040004000400, 0x8000800080008000, 2};

uint64_t Carries(uint64_t elements, const Format& format) {
  return ((elements & format.exponent) + format.one) & format.sign;
}

uint64_t Word(const char* data) {
  uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

// REQUIRES: fewer than eight bytes; what is missing counts as zeros.
uint64_t PartOfWord(const char* data, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, data, bytes);
  return word;
}

bool AnyNotFinite(const char* data, size_t bytes, const Format& format) {
  uint64_t carries = 0;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) carries |= Carries(Word(data + i), format);
  return (carries | Carries(PartOfWord(data + i, bytes - i), format)) != 0;
}

const Format& FormatOf(DType dtype) {
  switch (dtype) {
    case DType::kF32: return kF32;
    case DType::kBf16: return kBf16;
    case DType::kF16: return kF16;
    case DType::kI32:
    case DType::kI64: break;
  }
  BATUCADA_CHECK(false, "a weight cannot be an integer");
  return kF32;
}

}  // namespace

std::optional<int64_t> FindNotFinite(const HostTensor& tensor) {
  constexpr size_t kBlock = size_t{1} << 16;
  const Format& format = FormatOf(tensor.dtype);
  const auto* data = static_cast<const char*>(tensor.data);
  const size_t bytes = static_cast<size_t>(tensor.rows * tensor.cols) * format.element_bytes;
  for (size_t begin = 0; begin < bytes; begin += kBlock) {
    const size_t block = std::min(kBlock, bytes - begin);
    if (!AnyNotFinite(data + begin, block, format)) continue;
    for (size_t i = begin;; i += format.element_bytes) {
      if (Carries(PartOfWord(data + i, format.element_bytes), format) != 0) {
        return static_cast<int64_t>(i / format.element_bytes);
      }
    }
  }
  return std::nullopt;
}

}  // namespace batucada
