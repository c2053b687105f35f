// Python's view of strings: sequences of characters (code points), held here as UTF-8.
//
// REQUIRES everywhere: valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

bool IsSpace(char32_t c);      // str.isspace
bool IsPrintable(char32_t c);  // str.isprintable: repr shows the others as escapes

// Without white space at one end, or without the characters that occur in `chars`.
std::string_view StrippedLeft(std::string_view text);
std::string_view StrippedRight(std::string_view text);
std::string_view StrippedLeft(std::string_view text, std::string_view chars);
std::string_view StrippedRight(std::string_view text, std::string_view chars);

size_t Length(std::string_view text);  // in characters

// Bytes before character number `index`; the text's size if it has no more than that.
size_t ByteOffset(std::string_view text, size_t index);

// `value` in `digits` hexadecimal digits, lower case.
void AppendHex(uint32_t value, int digits, std::string* out);

// What a Python slice selects: `count` elements, from `first` on, `step` apart.
struct SliceRange {
  int64_t first = 0;
  int64_t count = 0;
  int64_t step = 1;
};
// REQUIRES: step != 0.
SliceRange ResolveSlice(int64_t length, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step);

// REQUIRES: a range resolved for Length(text).
std::string Slice(std::string_view text, const SliceRange& range);

// std::string_view::find in linear time: that one's worst case is the product of the sizes.
size_t Find(std::string_view text, std::string_view needle, size_t from = 0);

// Upper and lower case as Python's str has them: full mappings (ß to SS), Greek's final sigma included.
//
// REQUIRES everywhere: valid UTF-8.

bool IsUpper(char32_t c);
bool IsLower(char32_t c);
bool IsCased(char32_t c);  // upper, lower or title case
bool IsAlphabetic(char32_t c);
bool IsDecimal(char32_t c);
bool IsNumeric(char32_t c);  // digits, fractions, Roman numerals

std::string Lower(std::string_view text);
std::string Upper(std::string_view text);
std::string SwapCase(std::string_view text);
std::string Title(std::string_view text);       // each run of letters begins with a capital
std::string Capitalize(std::string_view text);  // the first character alone does

// Numbers out of text, as Python's int() and float() read them: white space around, a sign, underscores between digits.

// Nothing if `text` is no integer in this base (2 to 36, or 0 for what its prefix says). INVALID_ARGUMENT for another
// base and for a number of more than 64 bits.
[[nodiscard]] absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int64_t base);

// Nothing if `text` is no number.
std::optional<double> ParseFloat(std::string_view text);

// What the methods of str and the filters for text share.

// At most `count` replacements; negative: all. An empty `from` is found between all characters.
[[nodiscard]] absl::StatusOr<Value> Replace(Runtime& runtime, std::string_view text, std::string_view from,
                                            std::string_view to, int64_t count);

enum class PadSide : uint8_t { kLeft, kRight, kBoth };
// `text` with `fill`, one character, on one side or both, up to `width` characters.
[[nodiscard]] absl::StatusOr<Value> Padded(Runtime& runtime, std::string_view text, int64_t width,
                                           std::string_view fill, PadSide side);

[[nodiscard]] absl::StatusOr<Value> StringList(Runtime& runtime, const std::vector<std::string_view>& pieces);

// A stretch of a text.
struct Window {
  int64_t first = 0;  // in characters
  std::string_view text;
};
// text[start:end] of str.find and its like; nothing if it begins behind the end of the text.
[[nodiscard]] absl::StatusOr<std::optional<Window>> CutWindow(Runtime& runtime, std::string_view text,
                                                              const Value* start, const Value* end);

// Counts the work of rfind, which is the product of the sizes at worst.
[[nodiscard]] absl::Status StepOverBackwardSearch(Runtime& runtime, std::string_view text, std::string_view needle);

// Cutting strings as Python's split, rsplit and splitlines do.
//
// REQUIRES everywhere: valid UTF-8. The pieces are views of `text`.

enum class SplitFrom : uint8_t { kLeft, kRight };

// Every piece is counted, and room for it, before it is made; INVALID_ARGUMENT once there are too many.
//
// At most `max_splits` cuts, from the side that `from` says; negative: all.
// At runs of white space; none at either end gives an empty piece.
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitWords(Runtime& runtime, std::string_view text,
                                                                       int64_t max_splits, SplitFrom from);
// At every `separator`. REQUIRES: it is not empty.
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitAt(Runtime& runtime, std::string_view text,
                                                                    std::string_view separator, int64_t max_splits,
                                                                    SplitFrom from);

enum class LineEnds : uint8_t { kDrop, kKeep };
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> SplitLines(Runtime& runtime, std::string_view text,
                                                                       LineEnds ends);

}  // namespace batucada::jinja
