#include "text/jinja/string_split.h"

#include <algorithm>

#include "base/status.h"
#include "text/jinja/characters.h"
#include "text/jinja/text_functions.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

// Bytes of the longest beginning without white space.
size_t WordSize(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (IsSpace(NextCodepoint(text, &i))) return begin;
  }
  return text.size();
}

// Where the last word of `text` begins. REQUIRES: no white space at the end.
size_t LastWord(std::string_view text) {
  while (!text.empty() && !IsSpace(LastCodepoint(text))) {
    while ((static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.remove_suffix(1);
    text.remove_suffix(1);
  }
  return text.size();
}

bool EndsLine(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

absl::Status CountPiece(Runtime& runtime) {
  BATUCADA_RETURN_IF_ERROR(runtime.Work(kWorkPerStep / 2));
  return runtime.Allocate(2 * sizeof(std::string_view));  // a vector doubles
}

}  // namespace

absl::StatusOr<std::vector<std::string_view>> SplitWords(Runtime& runtime, std::string_view text, int64_t max_splits,
                                                         SplitFrom from) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text));
  std::vector<std::string_view> words;
  const bool left = from == SplitFrom::kLeft;
  for (text = left ? StrippedLeft(text) : StrippedRight(text); !text.empty();) {
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (max_splits-- == 0) {
      words.push_back(text);
      break;
    }
    if (left) {
      const size_t size = WordSize(text);
      words.push_back(text.substr(0, size));
      text = StrippedLeft(text.substr(size));
    } else {
      const size_t begin = LastWord(text);
      words.push_back(text.substr(begin));
      text = StrippedRight(text.substr(0, begin));
    }
  }
  if (!left) std::reverse(words.begin(), words.end());
  return words;
}

absl::StatusOr<std::vector<std::string_view>> SplitAt(Runtime& runtime, std::string_view text,
                                                      std::string_view separator, int64_t max_splits, SplitFrom from) {
  std::vector<std::string_view> pieces;
  const bool left = from == SplitFrom::kLeft;
  BATUCADA_RETURN_IF_ERROR(left ? runtime.StepOver(text) : StepOverBackwardSearch(runtime, text, separator));
  for (; max_splits != 0; --max_splits) {
    const size_t at = left ? Find(text, separator) : text.rfind(separator);
    if (at == std::string_view::npos) break;
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (left) {
      pieces.push_back(text.substr(0, at));
      text.remove_prefix(at + separator.size());
    } else {
      pieces.push_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
    }
  }
  pieces.push_back(text);
  if (!left) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

absl::StatusOr<std::vector<std::string_view>> SplitLines(Runtime& runtime, std::string_view text, LineEnds ends) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text));
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const char32_t c = NextCodepoint(text, &i);
    if (!EndsLine(c)) continue;
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (c == U'\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(begin, (ends == LineEnds::kKeep ? i : end) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace batucada::jinja
