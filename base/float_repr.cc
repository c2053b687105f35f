#include "base/float_repr.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace batucada {

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 32> buffer = {};
  // The shortest digits, as d.ddde±xx; Python writes exponents from -4 to 15 out.
  const auto scientific =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return text;
  std::array<char, 64> fixed_buffer = {};
  const auto fixed =
      std::to_chars(fixed_buffer.data(), fixed_buffer.data() + fixed_buffer.size(), value, std::chars_format::fixed);
  text.assign(fixed_buffer.data(), fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace batucada
