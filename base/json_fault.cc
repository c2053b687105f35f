#include "base/json_fault.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace batucada {
namespace {

namespace bj = boost::json;

uint8_t ByteAt(std::string_view text, size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : 0; }

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Whether a whole character of UTF-8 begins there.
bool IsCharacter(std::string_view text, size_t at) {
  const uint8_t lead = ByteAt(text, at), second = ByteAt(text, at + 1);
  const int size = std::countl_one(lead);
  if (size < 2 || size > 4 || lead < 0xC2 || lead > 0xF4) return size == 0;
  // No surrogates, nothing beyond U+10FFFF, nothing in more bytes than it needs.
  if (lead == 0xE0 && second < 0xA0) return false;
  if (lead == 0xED && second > 0x9F) return false;
  if (lead == 0xF0 && second < 0x90) return false;
  if (lead == 0xF4 && second > 0x8F) return false;
  for (size_t i = 1; i < static_cast<size_t>(size); ++i) {
    if (!IsContinuation(ByteAt(text, at + i))) return false;
  }
  return true;
}

// Whether the escape of half a character, \uD800 to \uDBFF, ends there, which nothing can follow but the other half's.
bool IsBehindHalf(std::string_view text, size_t at) {
  constexpr size_t kEscape = 6;
  if (at < kEscape) return false;
  const std::string_view escape = text.substr(at - kEscape, kEscape);
  constexpr std::string_view kSecond = "89abAB";
  size_t backslashes = 0;  // an even number of them are characters, and begin no escape
  for (size_t i = at - kEscape + 1; i > 0 && text[i - 1] == '\\'; --i) ++backslashes;
  return backslashes % 2 == 1 && escape[1] == 'u' && (escape[2] == 'd' || escape[2] == 'D') &&
         kSecond.find(escape[3]) != kSecond.npos;
}

}  // namespace

std::string JsonFault(std::string_view text, size_t at, const boost::json::error_code& error) {
  if (text.empty()) return "is empty: it must be JSON";
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return "is UTF-16: it must be JSON in UTF-8";
  const uint8_t byte = ByteAt(text, at);
  std::string why = error.message();
  if (error == bj::error::illegal_leading_surrogate || error == bj::error::illegal_trailing_surrogate ||
      (error == bj::error::syntax && IsBehindHalf(text, at))) {
    why = "half of a surrogate pair, which is no character without the other,";
  } else if (error == bj::error::syntax && at < text.size() && byte < ' ') {
    why = Concat("the control character 0x", absl::Hex(byte, absl::kZeroPad2),
                 ", which a string may have only as an escape,");
  } else if (error == bj::error::syntax && !IsCharacter(text, at)) {
    why = Concat("the byte 0x", absl::Hex(byte, absl::kZeroPad2), ", which is no UTF-8 there,");
  }
  return Concat("is not valid JSON: ", why, " at byte ", at);
}

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size(); at += static_cast<size_t>(std::max(1, std::countl_one(ByteAt(text, at))))) {
    if (!IsCharacter(text, at)) return false;
  }
  return true;
}

}  // namespace batucada
