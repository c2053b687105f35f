#include "text/jinja/letter_case.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "text/utf8.h"

namespace batucada::jinja {
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

}  // namespace batucada::jinja
