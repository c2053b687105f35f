#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/status.h"
#include "text/utf8.h"

namespace batucada {

bool IsWhitespace(char32_t codepoint) {
  switch (codepoint) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000: return true;
    default:
      return (codepoint >= 0x09 && codepoint <= 0x0D) || codepoint == 0x20 ||
             (codepoint >= 0x2000 && codepoint <= 0x200A);
  }
}

bool IsWordCharacter(char32_t codepoint) {
  if (codepoint == 0x200C || codepoint == 0x200D) return true;  // joiners
  if (codepoint >= 0x24B6 && codepoint <= 0x24E9) return true;  // circled letters
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(codepoint))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
  }
}

namespace {

using Codepoints = std::vector<utf8proc_int32_t>;

// More than any character is decomposed to (U+FDFA: 18).
constexpr utf8proc_ssize_t kMaxDecomposition = 32;

uint8_t CombiningClass(utf8proc_int32_t codepoint) {
  return static_cast<uint8_t>(utf8proc_get_property(codepoint)->combining_class);
}

// `text` decomposed character by character, not yet in canonical order.
Codepoints Decomposed(std::string_view text, utf8proc_option_t options) {
  Codepoints codepoints;
  codepoints.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t piece[kMaxDecomposition];
    int unused = 0;
    const utf8proc_ssize_t size = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(NextCodepoint(text, &i)), piece,
                                                          kMaxDecomposition, options, &unused);
    BATUCADA_CHECK(size >= 0 && size <= kMaxDecomposition, "utf8proc_decompose_char: ", size);
    codepoints.insert(codepoints.end(), piece, piece + size);
  }
  return codepoints;
}

// The canonical ordering algorithm (Unicode 15, D109): every run of characters of a combining class other than 0 is
// sorted by class, equals staying as they are. utf8proc itself sorts by swapping neighbours, which takes the square of
// a run's length; classes are bytes, so counting them takes as many steps as there are characters.
void SortMarks(Codepoints* codepoints) {
  Codepoints unsorted;
  for (size_t begin = 0; begin < codepoints->size(); ++begin) {
    if (CombiningClass((*codepoints)[begin]) == 0) continue;
    size_t end = begin + 1;
    bool sorted = true;
    for (uint8_t last = CombiningClass((*codepoints)[begin]); end < codepoints->size(); ++end) {
      const uint8_t next = CombiningClass((*codepoints)[end]);
      if (next == 0) break;
      sorted &= last <= next;
      last = next;
    }
    if (!sorted) {
      unsorted.assign(codepoints->begin() + static_cast<std::ptrdiff_t>(begin),
                      codepoints->begin() + static_cast<std::ptrdiff_t>(end));
      std::array<size_t, 257> place{};  // of the next character of each class
      for (const utf8proc_int32_t codepoint : unsorted) ++place[CombiningClass(codepoint) + size_t{1}];
      std::partial_sum(place.begin(), place.end(), place.begin());
      for (const utf8proc_int32_t codepoint : unsorted) {
        (*codepoints)[begin + place[CombiningClass(codepoint)]++] = codepoint;
      }
    }
    begin = end;  // a starter, which is passed over, too
  }
}

}  // namespace

std::string Normalized(std::string_view text, NormalForm form) {
  if (IsAscii(text)) return std::string(text);  // ASCII is its own normal form in all four
  int flags = UTF8PROC_STABLE;
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) flags |= UTF8PROC_COMPOSE;
  if (form == NormalForm::kNfd || form == NormalForm::kNfkd) flags |= UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) flags |= UTF8PROC_COMPAT;
  const auto options = static_cast<utf8proc_option_t>(flags);
  Codepoints codepoints = Decomposed(text, options);
  SortMarks(&codepoints);
  const utf8proc_ssize_t size =
      utf8proc_normalize_utf32(codepoints.data(), static_cast<utf8proc_ssize_t>(codepoints.size()), options);
  BATUCADA_CHECK(size >= 0, "utf8proc_normalize_utf32: ", utf8proc_errmsg(size));
  std::string result;
  result.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < size; ++i) {
    AppendUtf8(static_cast<char32_t>(codepoints[static_cast<size_t>(i)]), &result);
  }
  return result;
}

std::string Lowercased(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const char32_t codepoint = NextCodepoint(text, &i);
    if (codepoint == 0x130) {  // İ, the one character whose lower case is two, whatever the context
      result += "i\xCC\x87";
    } else {
      AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(codepoint))), &result);
    }
  }
  return result;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace batucada
