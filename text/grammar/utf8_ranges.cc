#include "text/grammar/utf8_ranges.h"

#include <algorithm>

namespace batucada::grammar {
namespace {

constexpr char32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};

std::array<uint8_t, 4> Encode(char32_t c, int length) {
  std::array<uint8_t, 4> bytes{};
  constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  for (int i = length - 1; i > 0; --i) {
    bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    c >>= 6;
  }
  bytes[0] = static_cast<uint8_t>(kLead[length - 1] | c);
  return bytes;
}

// REQUIRES: first and last are of `length` bytes.
void Split(char32_t first, char32_t last, int length, std::vector<Utf8Sequence>* out) {
  // Where the last bytes do not run through all that they can be, the range is cut into one where they do and rests.
  for (int i = 1; i < length; ++i) {
    const char32_t mask = (char32_t{1} << (6 * i)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      Split(first, first | mask, length, out);
      return Split((first | mask) + 1, last, length, out);
    }
    if ((last & mask) != mask) {
      Split(first, (last & ~mask) - 1, length, out);
      return Split(last & ~mask, last, length, out);
    }
  }
  const auto low = Encode(first, length), high = Encode(last, length);
  Utf8Sequence& sequence = out->emplace_back();
  sequence.length = length;
  for (size_t i = 0; i < static_cast<size_t>(length); ++i) sequence.bytes[i] = {low[i], high[i]};
}

}  // namespace

void AppendUtf8Sequences(CharRange range, std::vector<Utf8Sequence>* out) {
  char32_t first = range.first;
  for (int length = 1; length <= 4; ++length) {
    const char32_t last = std::min(range.last, kLastOfLength[length - 1]);
    if (first <= last) {
      Split(first, last, length, out);
      first = last + 1;
    }
  }
}

}  // namespace batucada::grammar
