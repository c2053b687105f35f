// Cutting strings as Python's split, rsplit and splitlines do.
//
// REQUIRES everywhere: valid UTF-8. The pieces are views of `text`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace batucada::jinja {

enum class SplitFrom : uint8_t { kLeft, kRight };

// At most `max_splits` cuts, from the side that `from` says; negative: all.
// At runs of white space; none at either end gives an empty piece.
std::vector<std::string_view> SplitWords(std::string_view text, int64_t max_splits, SplitFrom from);
// At every `separator`. REQUIRES: it is not empty.
std::vector<std::string_view> SplitAt(std::string_view text, std::string_view separator, int64_t max_splits,
                                      SplitFrom from);

enum class LineEnds : uint8_t { kDrop, kKeep };
std::vector<std::string_view> SplitLines(std::string_view text, LineEnds ends);

}  // namespace batucada::jinja
