#include "text/grammar/regex.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

constexpr int kMaxRegexGroups = 100;
constexpr int64_t kMaxRegexCount = 10'000;

const CharSet& Digits() {
  static const CharSet set({{'0', '9'}});
  return set;
}
const CharSet& WordChars() {
  static const CharSet set({{'0', '9'}, {'a', 'z'}, {'A', 'Z'}, {'_', '_'}});
  return set;
}
const CharSet& Spaces() {
  static const CharSet set({{'\t', '\r'}, {' ', ' '}});
  return set;
}
// What counts as a space somewhere.
const CharSet& AllSpaces() {
  static const CharSet set({{'\t', '\r'},
                            {0x1C, ' '},
                            {0x85, 0x85},
                            {0xA0, 0xA0},
                            {0x1680, 0x1680},
                            {0x2000, 0x200A},
                            {0x2028, 0x2029},
                            {0x202F, 0x202F},
                            {0x205F, 0x205F},
                            {0x3000, 0x3000},
                            {0xFEFF, 0xFEFF}});
  return set;
}
const CharSet& Dot() {
  static const CharSet set = CharSet({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).Complement();
  return set;
}
const CharSet& NotAscii() {
  static const CharSet set({{0x80, kLastChar}});
  return set;
}
const CharSet& NotLineFeed() {
  static const CharSet set = CharSet({{'\n', '\n'}}).Complement();
  return set;
}

RegexReading Opposite(RegexReading reading) {
  return reading == RegexReading::kNarrow ? RegexReading::kWide : RegexReading::kNarrow;
}

// \d, \w, \s and their opposites. Letters, digits and blanks beyond ASCII are some to one reader and none to another.
std::optional<CharSet> ClassOf(char32_t letter, RegexReading reading) {
  const bool wide = reading == RegexReading::kWide;
  const auto with_others = [&](const CharSet& set) { return wide ? set.Union(NotAscii()) : set; };
  const auto without = [&](const CharSet& set) { return wide ? set.Complement() : CharSet({{0, 0x7F}}).Minus(set); };
  switch (letter) {
    case 'd': return with_others(Digits());
    case 'D': return without(Digits());
    case 'w': return with_others(WordChars());
    case 'W': return without(WordChars());
    case 's': return wide ? AllSpaces() : Spaces();
    case 'S': return (wide ? Spaces() : AllSpaces()).Complement();
    default: return std::nullopt;
  }
}

// What a part of the pattern matches, and whether it stands at an end of the text.
struct Part {
  ExprId expression = kEmptyText;
  int64_t least = 0, most = 0;
  bool at_start = false, at_end = false;
};

// Counts of counts of counts stop there.
constexpr int64_t kLongest = std::numeric_limits<int64_t>::max();
int64_t AddLengths(int64_t a, int64_t b) { return a < 0 || b < 0 ? -1 : a > kLongest - b ? kLongest : a + b; }
// REQUIRES: neither is negative.
int64_t RepeatLength(int64_t length, int64_t times) {
  return times > 0 && length > kLongest / times ? kLongest : length * times;
}

class RegexReader {
 public:
  RegexReader(std::string_view pattern, RegexMatch match, Expressions& expressions,
              const std::function<ExprId(const CharSet&)>& chars, RegexReading reading)
      : pattern_(pattern), match_(match), e_(expressions), chars_(chars), reading_(reading) {}

  absl::StatusOr<RegexLanguage> Read() {
    if (FindInvalidUtf8(pattern_).has_value()) return absl::InvalidArgumentError("is not UTF-8");
    const Part whole = ReadAlternatives(0, /*outer_start=*/true, /*outer_end=*/true);
    if (error_.ok() && at_ < pattern_.size()) Fail("an unmatched )");
    BATUCADA_RETURN_IF_ERROR(error_);
    return RegexLanguage{whole.expression, whole.least, whole.most};
  }

 private:
  void Fail(std::string_view what) {
    if (error_.ok()) {
      error_ = absl::InvalidArgumentError(Concat("has ", what, " at character ", at_, " of ", Quoted(pattern_)));
    }
  }
  static std::string Quoted(std::string_view text) {
    size_t end = 0;  // whole characters
    while (end < text.size() && end < 80) NextCodepoint(text, &end);
    return Concat("\"", text.substr(0, end), text.size() > end ? "…" : "", "\"");
  }
  bool ok() const { return error_.ok(); }
  bool AtEnd() const { return at_ >= pattern_.size(); }
  char Peek() const { return AtEnd() ? '\0' : pattern_[at_]; }
  bool Take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  // Anchors may stand at the ends of the whole only: outer_start and outer_end say whether this is there.
  Part ReadAlternatives(int depth, bool outer_start, bool outer_end) {
    if (depth > kMaxRegexGroups) Fail("groups nested too deeply");
    std::vector<ExprId> alternatives;
    Part all{.least = INT64_MAX};
    while (ok()) {
      const Part one = ReadSequence(depth, outer_start, outer_end);
      ExprId expression = one.expression;
      int64_t most = one.most;
      if (reading_ == RegexReading::kWide && one.at_end) {  // Python's $ is before a last line feed, too
        expression = e_.Sequence({expression, e_.Optional(chars_(CharSet({{'\n', '\n'}})))});
        most = AddLengths(most, 1);
      }
      if (depth == 0 && match_ == RegexMatch::kSearch) {
        const ExprId anything = e_.Repeat(chars_(CharSet::All()), 0, kUnbounded);
        expression =
            e_.Sequence({one.at_start ? kEmptyText : anything, expression, one.at_end ? kEmptyText : anything});
        if (!one.at_start || !one.at_end) most = -1;
      }
      alternatives.push_back(expression);
      all.least = std::min(all.least, one.least);
      all.most = all.most < 0 || most < 0 ? -1 : std::max(all.most, most);
      if (!Take("|")) break;
    }
    all.expression = e_.Choice(std::move(alternatives));
    return all;
  }

  Part ReadSequence(int depth, bool outer_start, bool outer_end) {
    Part all;
    std::vector<ExprId> parts;
    bool first = true;
    while (ok() && !AtEnd() && Peek() != '|' && Peek() != ')') {
      if (Take("^")) {
        if (!outer_start || depth > 0 || !first) Fail("a ^ that is not at the beginning");
        all.at_start = true;
        continue;
      }
      if (Peek() == '$') {
        ++at_;
        const bool last = AtEnd() || Peek() == '|';
        if (!outer_end || depth > 0 || !last) Fail("a $ that is not at the end");
        all.at_end = true;
        continue;
      }
      const Part part = ReadRepeat(depth);
      parts.push_back(part.expression);
      all.least = AddLengths(all.least, part.least);
      all.most = AddLengths(all.most, part.most);
      first = false;
    }
    all.expression = e_.Sequence(std::move(parts));
    return all;
  }

  std::optional<int64_t> ReadNumber() {
    const size_t begin = at_;
    int64_t number = 0;
    while (!AtEnd() && Peek() >= '0' && Peek() <= '9') {
      number = std::min<int64_t>(number * 10 + (Peek() - '0'), kMaxRegexCount + 1);
      ++at_;
    }
    return at_ == begin ? std::nullopt : std::optional(number);
  }

  Part ReadRepeat(int depth) {
    Part part = ReadAtom(depth);
    while (ok() && !AtEnd()) {
      int64_t min = 0, max = -1;
      const size_t begin = at_;
      if (Take("*")) {
      } else if (Take("+")) {
        min = 1;
      } else if (Take("?")) {
        max = 1;
      } else if (Take("{")) {
        const std::optional<int64_t> low = ReadNumber();
        min = low.value_or(0);
        max = min;
        if (Take(",")) max = ReadNumber().value_or(-1);
        if (!low || !Take("}")) {
          at_ = begin;
          return Fail("a { that opens no count: write \\{"), part;
        }
        if (min > kMaxRegexCount || max > kMaxRegexCount) return Fail("a count above 10000"), part;
        if (max >= 0 && max < min) return Fail("a count whose ends are the wrong way round"), part;
      } else {
        break;
      }
      if (Peek() == '+') return Fail("a possessive quantifier"), part;
      Take("?");
      if (!AtEnd() && (Peek() == '*' || Peek() == '+' || Peek() == '{')) return Fail("a quantifier of nothing"), part;
      part.expression =
          e_.Repeat(part.expression, static_cast<int32_t>(min), max < 0 ? kUnbounded : static_cast<int32_t>(max));
      part.least = RepeatLength(part.least, min);
      part.most =
          part.most < 0 || (max < 0 && part.most != 0) ? -1 : RepeatLength(part.most, std::max<int64_t>(max, 0));
      break;
    }
    return part;
  }

  // {2}, {2,} or {2,3}. Another { is a character where nothing is before it (ECMA-262, annex B.1.2).
  bool AtCount() {
    const size_t begin = at_;
    bool count = Take("{") && ReadNumber().has_value();
    if (count && Take(",")) ReadNumber();
    count = count && Take("}");
    at_ = begin;
    return count;
  }

  Part One(const CharSet& set) { return {.expression = chars_(set), .least = 1, .most = 1}; }

  Part ReadAtom(int depth) {
    if (Take("(")) {
      if (Take("?")) {
        if (Peek() == '=' || Peek() == '!' || pattern_.substr(at_).starts_with("<=") ||
            pattern_.substr(at_).starts_with("<!")) {
          return Fail("a lookahead or lookbehind, which cannot be held to,"), Part{};
        }
        if (Take("P<") || Take("<")) {
          while (!AtEnd() && Peek() != '>') ++at_;
          if (!Take(">")) return Fail("a group name without its end"), Part{};
        } else if (!Take(":")) {
          return Fail("a flag, which is not supported,"), Part{};
        }
      }
      const Part inner = ReadAlternatives(depth + 1, false, false);
      if (ok() && !Take(")")) Fail("a group without its end");
      return inner;
    }
    if (Take("[")) return One(ReadClass());
    if (Take(".")) return One(reading_ == RegexReading::kWide ? NotLineFeed() : Dot());
    if (Peek() == '*' || Peek() == '+' || Peek() == '?' || AtCount()) return Fail("a quantifier of nothing"), Part{};
    if (Take("\\")) {
      CharSet set;
      const std::optional<char32_t> c = ReadEscape(/*in_class=*/false, &set);
      return ok() ? One(c ? CharSet({{*c, *c}}) : set) : Part{};
    }
    const char32_t c = NextCodepoint(pattern_, &at_);
    return One(CharSet({{c, c}}));
  }

  std::optional<uint32_t> ReadHex(size_t digits) {
    if (pattern_.size() - at_ < digits) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = pattern_[at_ + i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return std::nullopt;
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    at_ += digits;
    return value;
  }

  // Behind a backslash: one character, or a set.
  std::optional<char32_t> ReadEscape(bool in_class, CharSet* set) {
    if (AtEnd()) return Fail("a \\ at its end"), std::nullopt;
    const char32_t c = NextCodepoint(pattern_, &at_);
    if (std::optional<CharSet> of_class = ClassOf(c, reading_)) return *set = *std::move(of_class), std::nullopt;
    switch (c) {
      case 't': return U'\t';
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 'f': return U'\f';
      case 'v': return U'\v';
      case '0':
        if (Peek() >= '0' && Peek() <= '9') return Fail("an octal number"), std::nullopt;
        return U'\0';
      case 'b':
        if (in_class) return U'\b';
        return Fail("a \\b, which cannot be held to,"), std::nullopt;
      case 'x':
      case 'u': {
        if (c == 'u' && Take("{")) {
          for (size_t digits = 6; digits > 0; --digits) {
            const size_t begin = at_;
            const std::optional<uint32_t> value = ReadHex(digits);
            if (value && *value <= kLastChar && Take("}")) return static_cast<char32_t>(*value);
            at_ = begin;
          }
          return Fail("a \\u{ that is no character"), std::nullopt;
        }
        std::optional<uint32_t> value = ReadHex(c == 'x' ? 2 : 4);
        if (value && *value >= 0xD800 && *value < 0xDC00 && Take("\\u")) {
          const std::optional<uint32_t> low = ReadHex(4);
          if (!low || *low < 0xDC00 || *low > 0xDFFF) return Fail("half a character"), std::nullopt;
          value = 0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00);
        }
        if (!value || (*value >= 0xD800 && *value <= 0xDFFF))
          return Fail("an escape that is no character"), std::nullopt;
        return static_cast<char32_t>(*value);
      }
      default: break;
    }
    const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter)
      return Fail(Concat("a \\", std::string(1, static_cast<char>(c)), ", which cannot be held to,")), std::nullopt;
    return c;
  }

  CharSet ReadClass() {
    const bool negated = Take("^");
    const RegexReading outside = reading_;
    if (negated) reading_ = Opposite(reading_);  // what is in it is left out
    CharSet all;
    while (ok()) {
      if (AtEnd()) return Fail("a [ without its end"), all;
      if (Take("]")) break;
      CharSet set;
      std::optional<char32_t> first = ReadClassChar(&set);
      if (!ok()) return all;
      if (!first) {
        all = all.Union(set);
        continue;
      }
      char32_t last = *first;
      if (Peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        ++at_;
        const std::optional<char32_t> end = ReadClassChar(&set);
        if (!ok()) return all;
        if (!end || *end < *first) return Fail("a range whose ends are the wrong way round"), all;
        last = *end;
      }
      all = all.Union(CharSet({{*first, last}}));
    }
    reading_ = outside;
    return negated ? all.Complement() : all;
  }

  std::optional<char32_t> ReadClassChar(CharSet* set) {
    if (Take("\\")) return ReadEscape(/*in_class=*/true, set);
    if (AtEnd()) return Fail("a [ without its end"), std::nullopt;
    return NextCodepoint(pattern_, &at_);
  }

  const std::string_view pattern_;
  const RegexMatch match_;
  Expressions& e_;
  const std::function<ExprId(const CharSet&)>& chars_;
  RegexReading reading_;
  size_t at_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<RegexLanguage> ReadRegex(std::string_view pattern, RegexMatch match, Expressions& expressions,
                                        const std::function<ExprId(const CharSet&)>& chars, RegexReading reading) {
  return RegexReader(pattern, match, expressions, chars, reading).Read();
}

}  // namespace batucada::grammar
