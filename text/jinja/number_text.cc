#include "text/jinja/number_text.h"

#include <charconv>
#include <limits>
#include <string>

#include "text/jinja/characters.h"

namespace batucada::jinja {
namespace {

bool IsAlphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }

// Stripped, in lower case and without the underscores between two digits or letters; nothing if one stands elsewhere.
std::optional<std::string> Plain(std::string_view text) {
  text = StrippedRight(StrippedLeft(text));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 0x20) : text[i];
    if (c != '_') {
      out += c;
    } else if (out.empty() || !IsAlphanumeric(out.back()) || i + 1 >= text.size() || text[i + 1] == '_') {
      return std::nullopt;
    }
  }
  return out;
}

bool RemovePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return absl::InvalidArgumentError("int: 'base' must be 0 or 2 to 36");
  const std::optional<std::string> plain = Plain(text);
  if (!plain.has_value()) return std::optional<int64_t>();
  std::string_view digits = *plain;
  const bool negative = RemovePrefix(&digits, "-");
  if (!negative) RemovePrefix(&digits, "+");
  if ((base == 16 || base == 0) && RemovePrefix(&digits, "0x")) base = 16;
  if ((base == 8 || base == 0) && RemovePrefix(&digits, "0o")) base = 8;
  if ((base == 2 || base == 0) && RemovePrefix(&digits, "0b")) base = 2;
  if (base == 0) base = 10;
  uint64_t magnitude = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, static_cast<int>(base));
  if (result.ec == std::errc::invalid_argument || result.ptr != digits.data() + digits.size()) {
    return std::optional<int64_t>();
  }
  if (result.ec != std::errc() || magnitude > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InvalidArgumentError("an integer of more than 64 bits");
  }
  return negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

std::optional<double> ParseFloat(std::string_view text) {
  const std::optional<std::string> plain = Plain(text);
  if (!plain.has_value()) return std::nullopt;
  std::string_view digits = *plain;
  const bool negative = RemovePrefix(&digits, "-");
  if (!negative) RemovePrefix(&digits, "+");
  const double sign = negative ? -1 : 1;
  if (digits == "inf" || digits == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (digits == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (digits.empty() || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9'))) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ptr != digits.data() + digits.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    // Too small is zero, too large is infinite; the exponent's sign tells which.
    value = digits.find("e-") != std::string_view::npos ? 0 : std::numeric_limits<double>::infinity();
  } else if (result.ec != std::errc()) {
    return std::nullopt;
  }
  return sign * value;
}

}  // namespace batucada::jinja
