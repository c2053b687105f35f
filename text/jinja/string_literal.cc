#include "text/jinja/string_literal.h"

#include <algorithm>

#include "base/status.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads exactly `count` hexadecimal digits at *position.
absl::StatusOr<char32_t> ReadHex(std::string_view literal, int count, size_t* position, SourceLocation where) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int digit = *position < literal.size() ? HexDigit(literal[*position]) : -1;
    if (digit < 0) return SyntaxError(where, "a \\x, \\u or \\U in this string lacks hexadecimal digits");
    value = value * 16 + static_cast<uint32_t>(digit);
    ++*position;
  }
  if (value > 0x10FFFF) return SyntaxError(where, "a \\U in this string is beyond U+10FFFF");
  if (value >= 0xD800 && value < 0xE000) {
    return UnsupportedError(where, "half of a surrogate pair in a string; write the character itself or \\U");
  }
  return value;
}

char32_t ReadOctal(std::string_view literal, size_t* position) {
  char32_t value = 0;
  for (int i = 0; i < 3 && *position < literal.size(); ++i, ++*position) {
    const char c = literal[*position];
    if (c < '0' || c > '7') break;
    value = value * 8 + static_cast<char32_t>(c - '0');
  }
  return value;
}

}  // namespace

absl::StatusOr<std::string> Unescape(std::string_view literal, SourceLocation where) {
  static constexpr std::string_view kLetters = "\\'\"abfnrtv";
  static constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  out.reserve(literal.size());
  size_t i = 0;
  while (i < literal.size()) {
    if (literal[i] != '\\') {
      out += literal[i++];
      continue;
    }
    ++i;  // the lexer saw to it that something follows
    const char c = literal[i];
    if (const size_t simple = kLetters.find(c); simple != std::string_view::npos) {
      out += kValues[simple];
      ++i;
    } else if (c == '\n') {
      ++i;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      ++i;
      BATUCADA_ASSIGN_OR_RETURN(const char32_t codepoint,
                                ReadHex(literal, c == 'x' ? 2 : (c == 'u' ? 4 : 8), &i, where));
      AppendUtf8(codepoint, &out);
    } else if (c >= '0' && c <= '7') {
      AppendUtf8(ReadOctal(literal, &i), &out);
    } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
      return UnsupportedError(where, "a string escape (\\N or a backslash before a character that is not ASCII)");
    } else {
      out += '\\';
    }
  }
  return out;
}

}  // namespace batucada::jinja
