#include "text/jinja/format_spec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/characters.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
namespace {

absl::Status CheckSize(const FormatSpec& spec) {
  if (spec.width <= kMaxFormatWidth && spec.precision <= kMaxFormatWidth) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("a format wider than ", kMaxFormatWidth, " characters"));
}

std::string Repeated(std::string_view fill, int64_t times) {
  std::string out;
  for (; times > 0; --times) out += fill;
  return out;
}

// `sign` stands apart so that zeros can go behind it.
std::string Aligned(const FormatSpec& spec, char default_align, std::string_view sign, std::string_view body) {
  const int64_t missing = spec.width - static_cast<int64_t>(sign.size() + Length(body));
  if (missing <= 0) return Concat(sign, body);
  switch (spec.align == '\0' ? default_align : spec.align) {
    case '<': return Concat(sign, body, Repeated(spec.fill, missing));
    case '^': return Concat(Repeated(spec.fill, missing / 2), sign, body, Repeated(spec.fill, missing - missing / 2));
    case '=': return Concat(sign, Repeated(spec.fill, missing), body);
    default: return Concat(Repeated(spec.fill, missing), sign, body);
  }
}

std::string Sign(const FormatSpec& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

// Puts the separator between groups of three digits before the point.
std::string Grouped(std::string digits, char separator) {
  if (separator == '\0') return digits;
  const size_t integral = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t i = integral; i > 3;) {
    i -= 3;
    digits.insert(i, 1, separator);
  }
  return digits;
}

absl::Status UnknownType(const FormatSpec& spec, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("format type '", std::string_view(&spec.type, 1), "' is not for ", what, " here"));
}

}  // namespace

absl::StatusOr<std::string> FormatText(const FormatSpec& spec, std::string_view text) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  if (spec.type != '\0' && spec.type != 's') return UnknownType(spec, "a string");
  if (spec.sign != '-' || spec.alternate || spec.grouping != '\0' || spec.align == '=') {
    return absl::InvalidArgumentError("signs, '#', '=' and thousands separators are not for strings");
  }
  if (spec.precision >= 0) text = text.substr(0, ByteOffset(text, static_cast<size_t>(spec.precision)));
  return Aligned(spec, '<', "", text);
}

absl::StatusOr<std::string> FormatInteger(const FormatSpec& spec, int64_t value) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  static constexpr std::string_view kFloatTypes = "eEfFgG%";
  if (spec.type != '\0' && kFloatTypes.find(spec.type) != std::string_view::npos) {
    return FormatFloat(spec, static_cast<double>(value));
  }
  if (spec.precision >= 0) return absl::InvalidArgumentError("a precision is not for integers");
  int base = 10;
  std::string_view prefix;
  switch (spec.type) {
    case '\0':
    case 'd': break;
    case 'x':
    case 'X': base = 16, prefix = spec.type == 'x' ? "0x" : "0X"; break;
    case 'o': base = 8, prefix = "0o"; break;
    case 'b': base = 2, prefix = "0b"; break;
    default: return UnknownType(spec, "an integer");
  }
  std::array<char, 72> buffer = {};
  const uint64_t magnitude = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, base);
  std::string digits(buffer.data(), end.ptr);
  if (spec.type == 'X')
    std::transform(digits.begin(), digits.end(), digits.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 0x20) : c; });
  if (base != 10 && spec.grouping != '\0') return absl::InvalidArgumentError("thousands are for decimal numbers");
  const std::string sign = Concat(Sign(spec, value < 0), spec.alternate ? prefix : "");
  return Aligned(spec, '>', sign, Grouped(digits, spec.grouping));
}

absl::StatusOr<std::string> FormatFloat(const FormatSpec& spec, double value) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  const std::string sign = Sign(spec, std::signbit(value) && !std::isnan(value));
  const double magnitude = std::abs(value);
  if (spec.type == '\0') {
    if (spec.precision >= 0)
      return absl::InvalidArgumentError("a precision without a type, such as f, is not supported");
    return Aligned(spec, '>', sign, Grouped(FloatRepr(magnitude), spec.grouping));
  }
  static constexpr std::string_view kTypes = "eEfFgG%";
  if (kTypes.find(spec.type) == std::string_view::npos) return UnknownType(spec, "a float");
  const bool percent = spec.type == '%';
  const std::string pattern = Concat(spec.alternate ? "%#.*" : "%.*", std::string(1, percent ? 'f' : spec.type));
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  const double shown = percent ? magnitude * 100 : magnitude;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int size = std::snprintf(nullptr, 0, pattern.c_str(), precision, shown);
  std::string digits(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(digits.data(), digits.size(), pattern.c_str(), precision, shown);
#pragma GCC diagnostic pop
  digits.pop_back();
  if (percent) digits += '%';
  return Aligned(spec, '>', sign, Grouped(digits, spec.grouping));
}

}  // namespace batucada::jinja
