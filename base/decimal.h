// Numbers in messages: so that one which is just past a bound does not look like the bound.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"

namespace batucada {

// In six digits where these are the number, and else in as many as tell it from all others of its type.
template <typename Real>
std::string Decimal(Real number) {
  std::string few = absl::StrCat(number);
  Real read = 0;
  std::from_chars(few.data(), few.data() + few.size(), read);
  if (read == number || std::isnan(number)) return few;
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr};
}

}  // namespace batucada
