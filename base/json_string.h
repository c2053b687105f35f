// Strings of a JSON text that nobody has parsed yet.
#pragma once

#include <cstddef>
#include <string_view>

namespace batucada {

// Where the quote is that ends the string with its first byte at `begin`; the end of the text if there is none.
inline size_t EndOfJsonString(std::string_view text, size_t begin) {
  for (size_t at = begin;; ++at) {
    at = text.find('"', at);
    if (at == std::string_view::npos) return text.size();
    size_t escapes = at;
    while (escapes > begin && text[escapes - 1] == '\\') --escapes;
    if ((at - escapes) % 2 == 0) return at;
  }
}

}  // namespace batucada
