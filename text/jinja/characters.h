// Python's view of strings: sequences of characters (code points), held here as UTF-8.
//
// REQUIRES everywhere: valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace batucada::jinja
