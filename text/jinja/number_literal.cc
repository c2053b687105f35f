#include "text/jinja/number_literal.h"

#include <charconv>
#include <cstdlib>
#include <string>

namespace batucada::jinja {
namespace {

constexpr std::string_view kDecimal = "0123456789";

char At(std::string_view source, size_t i) { return i < source.size() ? source[i] : '\0'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Copies characters of `digits`, one underscore allowed between two. Returns the offset behind the last.
size_t CopyDigits(std::string_view source, size_t begin, std::string_view digits, std::string* out) {
  size_t i = begin;
  while (i < source.size()) {
    const size_t digit = i > begin && source[i] == '_' ? i + 1 : i;
    if (digit >= source.size() || digits.find(source[digit]) == std::string_view::npos) break;
    *out += source[digit];
    i = digit + 1;
  }
  return i;
}

// Adds a fraction and an exponent that follow the digits before `begin`. Returns the offset behind them.
size_t CopyFraction(std::string_view source, size_t begin, std::string* out) {
  size_t end = begin;
  if (At(source, end) == '.' && IsDigit(At(source, end + 1))) {
    *out += '.';
    end = CopyDigits(source, end + 1, kDecimal, out);
  }
  if (At(source, end) != 'e' && At(source, end) != 'E') return end;
  const char sign = At(source, end + 1);
  const size_t first = end + 1 + (sign == '+' || sign == '-' ? 1 : 0);
  if (!IsDigit(At(source, first))) return end;
  *out += sign == '-' ? "e-" : "e";
  return CopyDigits(source, first, kDecimal, out);
}

struct Base {
  char letter;
  int value;
  std::string_view digits;
};
constexpr Base kBases[] = {{'b', 2, "01"}, {'o', 8, "01234567"}, {'x', 16, "0123456789abcdefABCDEF"}};

}  // namespace

absl::StatusOr<NumberLiteral> ReadNumber(std::string_view source, size_t begin, SourceLocation where) {
  std::string text;
  size_t end = CopyDigits(source, begin, kDecimal, &text);
  int base = 10;

  // Not behind a dot: `a.0.1` is an element of an element.
  std::string real_text = text;
  const size_t real_end = begin > 0 && source[begin - 1] == '.' ? end : CopyFraction(source, end, &real_text);
  if (real_end != end) {
    NumberLiteral number = {.end = real_end, .is_float = true};
    number.real = std::strtod(real_text.c_str(), nullptr);  // infinite or zero beyond the range, as in Python
    return number;
  }

  if (source[begin] == '0') {
    text.clear();
    end = CopyDigits(source, begin, "0", &text);  // 0_0; a digit after it is another token, and an error
    for (const Base& candidate : kBases) {
      if ((At(source, begin + 1) | 0x20) != candidate.letter) continue;
      std::string digits;
      const size_t first = begin + 2 + (At(source, begin + 2) == '_' ? 1 : 0);
      const size_t last = CopyDigits(source, first, candidate.digits, &digits);
      if (digits.empty()) continue;
      text = digits;
      end = last;
      base = candidate.value;
    }
  }
  NumberLiteral number = {.end = end};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number.integer, base);
  if (result.ec != std::errc()) return UnsupportedError(where, "an integer of more than 64 bits");
  return number;
}

}  // namespace batucada::jinja
