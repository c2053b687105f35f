#include "text/jinja/text.h"

#include <utf8proc.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <string>
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

namespace {

using CodePoints = std::array<char32_t, 4>;  // zero behind the last

utf8proc_category_t Category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

// Full case folding: ß to ss.
CodePoints Folded(char32_t c) {
  std::array<utf8proc_int32_t, 4> buffer = {};
  int boundary = 0;
  utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer.data(), buffer.size(), UTF8PROC_CASEFOLD, &boundary);
  CodePoints out = {};
  std::transform(buffer.begin(), buffer.end(), out.begin(), [](auto part) { return static_cast<char32_t>(part); });
  return out;
}

char32_t SimpleUpper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t SimpleTitle(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }

// Characters such as ß and ﬁ have no upper case of their own: theirs is that of the letters that they fold to.
bool UppercasesToSeveral(char32_t c, const CodePoints& folded) { return folded[1] != 0 && !IsUpper(c); }

void AppendUpper(char32_t c, std::string* out) {
  const CodePoints folded = c < 0x80 ? CodePoints{} : Folded(c);
  if (!UppercasesToSeveral(c, folded)) return AppendUtf8(SimpleUpper(c), out);
  for (const char32_t part : folded) {
    if (part != 0) AppendUtf8(SimpleUpper(part), out);
  }
}

void AppendTitle(char32_t c, std::string* out) {
  const CodePoints folded = c < 0x80 ? CodePoints{} : Folded(c);
  const bool has_title = SimpleTitle(c) != c && c != U'ß';
  if (!UppercasesToSeveral(c, folded) || has_title || Category(c) == UTF8PROC_CATEGORY_LT) {
    return AppendUtf8(SimpleTitle(c), out);
  }
  AppendUtf8(SimpleUpper(folded[0]), out);
  for (size_t i = 1; i < folded.size() && folded[i] != 0; ++i) AppendUtf8(folded[i], out);
}

// Apostrophes, marks and the like, which do not end a word where the final sigma is concerned.
bool IsCaseIgnorable(char32_t c) {
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
  }
  static constexpr std::u32string_view kOthers = U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027";
  return kOthers.find(c) != std::u32string_view::npos;
}

// Whether a letter is next to text[begin, end) on the left and none on the right.
bool EndsWord(std::string_view text, size_t begin, size_t end) {
  std::string_view before = text.substr(0, begin);
  char32_t left = 0;
  while (!before.empty() && IsCaseIgnorable(left = LastCodepoint(before))) {
    while ((static_cast<unsigned char>(before.back()) & 0xC0) == 0x80) before.remove_suffix(1);
    before.remove_suffix(1);
  }
  if (before.empty() || !IsCased(left)) return false;
  while (end < text.size()) {
    const char32_t right = NextCodepoint(text, &end);
    if (!IsCaseIgnorable(right)) return !IsCased(right);
  }
  return true;
}

// The character `c` at text[begin, end).
void AppendLower(char32_t c, std::string_view text, size_t begin, size_t end, std::string* out) {
  if (c == U'Σ') {
    AppendUtf8(EndsWord(text, begin, end) ? U'ς' : U'σ', out);
  } else if (c == U'İ') {
    *out += "i\u0307";
  } else {
    AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
  }
}

enum class Case { kUpper, kLower, kTitle };

// `choose` says for each character which case it gets.
template <typename Choose>
std::string Mapped(std::string_view text, Choose choose) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const char32_t c = NextCodepoint(text, &i);
    switch (choose(c)) {
      case Case::kUpper: AppendUpper(c, &out); break;
      case Case::kLower: AppendLower(c, text, begin, i, &out); break;
      case Case::kTitle: AppendTitle(c, &out); break;
    }
  }
  return out;
}

}  // namespace

bool IsUpper(char32_t c) { return Category(c) == UTF8PROC_CATEGORY_LU; }
bool IsLower(char32_t c) { return Category(c) == UTF8PROC_CATEGORY_LL; }
bool IsCased(char32_t c) { return IsUpper(c) || IsLower(c) || Category(c) == UTF8PROC_CATEGORY_LT; }
bool IsDecimal(char32_t c) { return Category(c) == UTF8PROC_CATEGORY_ND; }

bool IsNumeric(char32_t c) {
  const utf8proc_category_t category = Category(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsAlphabetic(char32_t c) {
  const utf8proc_category_t category = Category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

std::string Lower(std::string_view text) {
  return Mapped(text, [](char32_t) { return Case::kLower; });
}

std::string Upper(std::string_view text) {
  return Mapped(text, [](char32_t) { return Case::kUpper; });
}

std::string SwapCase(std::string_view text) {
  return Mapped(text, [](char32_t c) { return IsUpper(c) ? Case::kLower : Case::kUpper; });
}

std::string Title(std::string_view text) {
  return Mapped(text, [inside = false](char32_t c) mutable {
    const Case chosen = inside ? Case::kLower : Case::kTitle;
    inside = IsCased(c);
    return chosen;
  });
}

std::string Capitalize(std::string_view text) {
  return Mapped(text, [first = true](char32_t) mutable {
    const Case chosen = first ? Case::kTitle : Case::kLower;
    first = false;
    return chosen;
  });
}

namespace {

bool IsLowerAlphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }

// Stripped, in lower case and without the underscores between two digits or letters; nothing if one stands elsewhere.
std::optional<std::string> Plain(std::string_view text) {
  text = StrippedRight(StrippedLeft(text));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 0x20) : text[i];
    if (c != '_') {
      out += c;
    } else if (out.empty() || !IsLowerAlphanumeric(out.back()) || i + 1 >= text.size() || text[i + 1] == '_') {
      return std::nullopt;
    }
  }
  return out;
}

bool RemovePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return absl::InvalidArgumentError("int: 'base' must be 0 or 2 to 36");
  const std::optional<std::string> plain = Plain(text);
  if (!plain.has_value()) return std::optional<int64_t>();
  std::string_view digits = *plain;
  const bool negative = RemovePrefix(&digits, "-");
  if (!negative) RemovePrefix(&digits, "+");
  if ((base == 16 || base == 0) && RemovePrefix(&digits, "0x")) base = 16;
  if ((base == 8 || base == 0) && RemovePrefix(&digits, "0o")) base = 8;
  if ((base == 2 || base == 0) && RemovePrefix(&digits, "0b")) base = 2;
  if (base == 0) base = 10;
  uint64_t magnitude = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, static_cast<int>(base));
  if (result.ec == std::errc::invalid_argument || result.ptr != digits.data() + digits.size()) {
    return std::optional<int64_t>();
  }
  if (result.ec != std::errc() || magnitude > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InvalidArgumentError("an integer of more than 64 bits");
  }
  return negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
}

std::optional<double> ParseFloat(std::string_view text) {
  const std::optional<std::string> plain = Plain(text);
  if (!plain.has_value()) return std::nullopt;
  std::string_view digits = *plain;
  const bool negative = RemovePrefix(&digits, "-");
  if (!negative) RemovePrefix(&digits, "+");
  const double sign = negative ? -1 : 1;
  if (digits == "inf" || digits == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (digits == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (digits.empty() || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9'))) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ptr != digits.data() + digits.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    // Too small is zero, too large is infinite; the exponent's sign tells which.
    value = digits.find("e-") != std::string_view::npos ? 0 : std::numeric_limits<double>::infinity();
  } else if (result.ec != std::errc()) {
    return std::nullopt;
  }
  return sign * value;
}

}  // namespace batucada::jinja
