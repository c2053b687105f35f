#include "text/jinja/characters.h"

#include <string.h>  // memmem
#include <utf8proc.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "text/utf8.h"

namespace batucada::jinja {
namespace {

// Drops characters from the left as long as `drop` says so.
template <typename Drop>
std::string_view DropLeft(std::string_view text, Drop drop) {
  size_t i = 0;
  while (i < text.size()) {
    size_t next = i;
    if (!drop(NextCodepoint(text, &next))) break;
    i = next;
  }
  return text.substr(i);
}

bool ContinuesCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

template <typename Drop>
std::string_view DropRight(std::string_view text, Drop drop) {
  while (!text.empty() && drop(LastCodepoint(text))) {
    while (ContinuesCharacter(text.back())) text.remove_suffix(1);
    text.remove_suffix(1);
  }
  return text;
}

auto OneOf(std::string_view chars) {
  return [chars](char32_t c) {
    for (size_t i = 0; i < chars.size();) {
      if (NextCodepoint(chars, &i) == c) return true;
    }
    return false;
  };
}

}  // namespace

bool IsSpace(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPrintable(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == U' ';
    default: return true;
  }
}

std::string_view StrippedLeft(std::string_view text) { return DropLeft(text, IsSpace); }
std::string_view StrippedRight(std::string_view text) { return DropRight(text, IsSpace); }
std::string_view StrippedLeft(std::string_view text, std::string_view chars) { return DropLeft(text, OneOf(chars)); }
std::string_view StrippedRight(std::string_view text, std::string_view chars) { return DropRight(text, OneOf(chars)); }

size_t Length(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), ContinuesCharacter));
}

size_t ByteOffset(std::string_view text, size_t index) {
  size_t i = 0;
  for (; index > 0 && i < text.size(); --index) {
    do ++i;
    while (i < text.size() && ContinuesCharacter(text[i]));
  }
  return i;
}

void AppendHex(uint32_t value, int digits, std::string* out) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) *out += "0123456789abcdef"[(value >> shift) & 0xF];
}

SliceRange ResolveSlice(int64_t length, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  // -step below must be a number; no sequence is long enough for the difference to show.
  step = std::max(step, -std::numeric_limits<int64_t>::max());
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? length : length - 1;
  const auto resolve = [&](int64_t i) { return i < 0 ? std::max(i + length, low) : std::min(i, high); };
  const int64_t first = start.has_value() ? resolve(*start) : (step > 0 ? low : high);
  const int64_t last = stop.has_value() ? resolve(*stop) : (step > 0 ? high : low);
  const int64_t distance = step > 0 ? last - first : first - last;
  const int64_t stride = step > 0 ? step : -step;
  return {.first = first, .count = distance > 0 ? (distance - 1) / stride + 1 : 0, .step = step};
}

std::string Slice(std::string_view text, const SliceRange& range) {
  if (range.count == 0) return "";
  const size_t begin = ByteOffset(text, static_cast<size_t>(range.first));
  if (range.step == 1) return std::string(text.substr(begin, ByteOffset(text.substr(begin), range.count)));
  std::vector<size_t> offsets;  // of each character, and the end
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || !ContinuesCharacter(text[i])) offsets.push_back(i);
  }
  std::string out;
  int64_t i = range.first;
  for (int64_t n = 0; n < range.count; ++n) {
    const auto index = static_cast<size_t>(i);
    out += text.substr(offsets[index], offsets[index + 1] - offsets[index]);
    if (n + 1 < range.count) i += range.step;
  }
  return out;
}

size_t Find(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace batucada::jinja
