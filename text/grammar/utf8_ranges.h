// A range of characters as sequences of byte ranges: what their UTF-8 (RFC 3629, section 3) looks like.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "text/grammar/expression.h"

namespace batucada::grammar {

struct ByteRange {
  uint8_t first = 0, last = 0;
};
struct Utf8Sequence {
  int length = 0;
  std::array<ByteRange, 4> bytes;
};

// Appends sequences that together match exactly the characters of `range`. REQUIRES: no surrogate among them.
void AppendUtf8Sequences(CharRange range, std::vector<Utf8Sequence>* out);

}  // namespace batucada::grammar
