#include "text/answer/thinking.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "text/answer/blanks.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

struct ThinkingFamily {
  const char* name;
  ThinkingMarks marks;
  const char* sign;  // in a template
};

const std::array<ThinkingFamily, 5>& ThinkingFamilies() {
  static const std::array<ThinkingFamily, 5> families = {{
      {"deepseek_r1", {"<think>", "</think>"}, "</think>"},
      {"qwen3", {"<think>", "</think>"}, "</think>"},
      {"mistral", {"[THINK]", "[/THINK]"}, "[THINK]"},
      {"granite", {"Here is my thought process:", "Here is my response:"}, "Here is my thought process:"},
      {"seed_oss", {"<seed:think>", "</seed:think>"}, "</seed:think>"},
  }};
  return families;
}

// Bytes at the end of `text` that may be the beginning of `mark`.
size_t TailOf(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (mark.starts_with(text.substr(text.size() - size))) return size;
  }
  return 0;
}

}  // namespace

std::vector<std::string> ThinkingFormatNames() {
  std::vector<std::string> names = {"auto", "none"};
  for (const ThinkingFamily& family : ThinkingFamilies()) names.emplace_back(family.name);
  return names;
}

const ThinkingMarks& MarksOf(ThinkingFormat format) {
  BATUCADA_CHECK(format != ThinkingFormat::kAuto && format != ThinkingFormat::kNone);
  return ThinkingFamilies()[static_cast<size_t>(format) - static_cast<size_t>(ThinkingFormat::kDeepSeekR1)].marks;
}

ThinkingFormat FindThinkingFormat(std::string_view source) {
  for (size_t i = 0; i < ThinkingFamilies().size(); ++i) {
    if (source.find(ThinkingFamilies()[i].sign) == source.npos) continue;
    return static_cast<ThinkingFormat>(i + static_cast<size_t>(ThinkingFormat::kDeepSeekR1));
  }
  return ThinkingFormat::kNone;
}

ThinkingStart FindThinkingStart(const ThinkingMarks& marks, std::string_view prompt, std::string_view own_words) {
  const size_t last = prompt.find_last_not_of(kBlanks);
  const std::string_view stripped = prompt.substr(0, last == prompt.npos ? 0 : last + 1);
  if (stripped.ends_with(marks.begin)) return ThinkingStart::kInside;
  if (stripped.ends_with(marks.end)) return ThinkingStart::kOver;
  if (own_words.find_first_not_of(kBlanks) == own_words.npos) return ThinkingStart::kOpen;
  const size_t begin = own_words.rfind(marks.begin), end = own_words.rfind(marks.end);
  return begin != own_words.npos && (end == own_words.npos || end < begin) ? ThinkingStart::kInside
                                                                           : ThinkingStart::kOver;
}

ThinkingSplitter::ThinkingSplitter(ThinkingMarks marks, ThinkingStart start)
    : marks_(std::move(marks)), place_(start == ThinkingStart::kOver   ? Place::kAnswer
                                       : start == ThinkingStart::kOpen ? Place::kOpen
                                                                       : Place::kThinking) {}

std::string ThinkingSplitter::Add(std::string_view text, AnswerPieces* out) {
  if (place_ == Place::kAnswer) return std::string(text);
  held_ += text;
  if (place_ == Place::kOpen) {
    const size_t first = held_.find_first_not_of(kBlanks);
    if (first == held_.npos && held_.size() < kMostBlanks) return "";
    const std::string_view rest = std::string_view{held_}.substr(std::min(first, held_.size()));
    if (rest.size() < marks_.begin.size() && !rest.empty() && std::string_view{marks_.begin}.starts_with(rest))
      return "";
    if (!rest.starts_with(marks_.begin)) {
      place_ = Place::kAnswer;
      return std::exchange(held_, {});
    }
    held_.erase(0, first + marks_.begin.size());
    place_ = Place::kThinking;
  }
  if (place_ == Place::kThinking) {
    if (!thought_) held_.erase(0, std::min(held_.find_first_not_of(kBlanks), held_.size()));
    const size_t end = held_.find(marks_.end);
    size_t told = end == held_.npos ? held_.size() - TailOf(held_, marks_.end) : end;
    const size_t before = told;
    while (told > 0 && before - told < kMostBlanks && kBlanks.find(held_[told - 1]) != kBlanks.npos) --told;
    out->Add(Kind::kThinking, std::string_view{held_}.substr(0, told));
    thought_ = thought_ || told > 0;
    held_.erase(0, end == held_.npos ? told : end + marks_.end.size());
    if (end == std::string::npos) return "";
    place_ = Place::kGap;
  }
  if (place_ == Place::kGap) {
    held_.erase(0, std::min(held_.find_first_not_of(kBlanks), held_.size()));
    if (held_.empty()) return "";
    place_ = Place::kAnswer;
    return std::exchange(held_, {});
  }
  return "";
}

std::string ThinkingSplitter::Finish(AnswerPieces* out) {
  if (place_ == Place::kThinking) {
    const size_t last = held_.find_last_not_of(kBlanks);
    out->Add(Kind::kThinking, std::string_view{held_}.substr(0, last == held_.npos ? 0 : last + 1));
    held_.clear();
  }
  return std::exchange(held_, {});
}

}  // namespace batucada
