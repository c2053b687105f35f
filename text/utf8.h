// UTF-8 (RFC 3629, Unicode 15 section 3.9): validation, decoding of known-good text, and assembly of characters from
// bytes that arrive in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/token_table.h"

namespace batucada {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Offset of the first byte that is not part of a whole character, or nothing if `text` is valid.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// The character that begins at text[*offset]; moves *offset past it. REQUIRES: valid text, *offset < text.size().
char32_t NextCodepoint(std::string_view text, size_t* offset);

// How many characters `text` has. REQUIRES: valid text.
size_t CountCharacters(std::string_view text);

// The last character of `text`. REQUIRES: valid text, not empty.
char32_t LastCodepoint(std::string_view text);

void AppendUtf8(char32_t codepoint, std::string* out);

// Turns a stream of bytes into valid UTF-8. Keeps back at most three bytes: a beginning that can still become a
// character. A byte that can no longer become one is replaced at once. Not thread-safe; one per stream.
class Utf8Assembler {
 public:
  explicit Utf8Assembler(BadBytes bad_bytes) : bad_bytes_(bad_bytes) {}

  void Append(std::string_view bytes, std::string* out);

  // Whether `byte` is the next of the character that is kept back, if there is one.
  bool GoesOnWith(char byte) const {
    const auto next = static_cast<uint8_t>(byte);
    return pending_size_ > 0 && next >= low_ && next <= high_;
  }

  // The stream ends, or whole text follows: what is kept back will never become a character.
  void Flush(std::string* out);

 private:
  void AppendByte(uint8_t byte, std::string* out);

  BadBytes bad_bytes_;
  char pending_[4] = {};
  int pending_size_ = 0;
  int pending_need_ = 0;              // bytes of the whole character
  uint8_t low_ = 0x80, high_ = 0xBF;  // what the next byte may be
};

}  // namespace batucada
