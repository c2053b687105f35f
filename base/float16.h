// The two 16-bit floating-point formats as bits, and fp32. For the host; kernels of a GPU have instructions for it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace batucada {

// bfloat16: the upper half of an fp32.
inline float FloatFromBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// Rounded to nearest, ties to even; a NaN stays one.
inline uint16_t Bf16FromFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// IEEE 754 binary16: 1 sign, 5 exponent and 10 mantissa bits.
inline float FloatFromFp16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0) {  // zero and subnormals: mantissa · 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;  // infinities and NaNs stay what they are
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

}  // namespace batucada
