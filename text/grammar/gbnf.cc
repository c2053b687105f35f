#include "text/grammar/gbnf.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

constexpr int kMaxGroups = 100;
constexpr int32_t kMaxRepeat = 10'000;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

class GbnfReader {
 public:
  GbnfReader(std::string_view text, Expressions& expressions, std::vector<std::string>* names)
      : text_(text), e_(expressions), names_(*names) {}

  absl::StatusOr<ExprId> Read() {
    if (FindInvalidUtf8(text_).has_value()) return absl::InvalidArgumentError("is not UTF-8");
    Skip();
    while (ok() && at_ < text_.size()) ReadRule();
    BATUCADA_RETURN_IF_ERROR(error_);
    for (size_t i = 0; i < names_.size(); ++i) {
      if (!defined_[i]) return absl::InvalidArgumentError(Concat("has no rule ", names_[i], ", which others use"));
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) {
      return absl::InvalidArgumentError(
          "has no rule root: write root ::= … (other notations, such as Lark's, are not read)");
    }
    return e_.Reference(root->second.id);
  }

 private:
  bool ok() const { return error_.ok(); }
  void Fail(std::string_view what) {
    if (!ok()) return;
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n');
    error_ = absl::InvalidArgumentError(Concat("has ", what, " in line ", line));
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void Skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#' || text_.substr(at_).starts_with("//")) {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        break;
      }
    }
  }

  std::string_view ReadName() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsNameChar(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // Whether a name here begins the next rule.
  bool AtRule() {
    const size_t begin = at_;
    const bool name = !ReadName().empty();
    Skip();
    const bool rule = name && text_.substr(at_).starts_with("::=");
    at_ = begin;
    return rule;
  }
  struct Rule {
    RuleId id = 0;
    size_t index = 0;  // in names_ and defined_
  };
  Rule RuleOf(std::string_view name) {
    const auto [found, fresh] = rules_.try_emplace(std::string(name), Rule{});
    if (fresh) {
      found->second = {.id = e_.NewRule(), .index = names_.size()};
      names_.emplace_back(name);
      defined_.push_back(false);
    }
    return found->second;
  }

  void ReadRule() {
    const std::string_view name = ReadName();
    if (name.empty()) return Fail("something other than a rule (name ::= …)");
    Skip();
    if (!Take("::=")) return Fail(Concat("no ::= behind ", name));
    const Rule rule = RuleOf(name);
    if (defined_[rule.index]) return Fail(Concat("a second rule ", name));
    defined_[rule.index] = true;
    Skip();
    e_.Define(rule.id, ReadAlternatives(0));
  }

  ExprId ReadAlternatives(int depth) {
    if (depth > kMaxGroups) return Fail("groups nested too deeply"), kNoText;
    std::vector<ExprId> alternatives;
    do {
      Skip();
      std::vector<ExprId> parts;
      while (ok() && at_ < text_.size() && Peek() != '|' && Peek() != ')' && !AtRule()) {
        parts.push_back(ReadItem(depth));
        Skip();
      }
      alternatives.push_back(e_.Sequence(std::move(parts)));
    } while (ok() && Take("|"));
    return e_.Choice(std::move(alternatives));
  }

  ExprId ReadItem(int depth) {
    ExprId item = ReadAtom(depth);
    while (ok()) {
      if (Take("*")) {
        item = e_.Repeat(item, 0, kUnbounded);
      } else if (Take("+")) {
        item = e_.Repeat(item, 1, kUnbounded);
      } else if (Take("?")) {
        item = e_.Optional(item);
      } else if (Take("{")) {
        Skip();
        const std::optional<int32_t> min = ReadNumber();
        std::optional<int32_t> max = min;
        Skip();
        if (Take(",")) {
          Skip();
          max = ReadNumber();
          Skip();
        } else if (!min) {
          return Fail("a { without a count"), kNoText;
        }
        if (!Take("}")) return Fail("a { without its }"), kNoText;
        if (min.value_or(0) > kMaxRepeat || max.value_or(0) > kMaxRepeat) return Fail("a count above 10000"), kNoText;
        if (max && *max < min.value_or(0)) return Fail("a count whose ends are the wrong way round"), kNoText;
        item = e_.Repeat(item, min.value_or(0), max ? *max : kUnbounded);
      } else {
        break;
      }
    }
    return item;
  }

  std::optional<int32_t> ReadNumber() {
    const size_t begin = at_;
    int32_t number = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      number = std::min(number * 10 + (Peek() - '0'), kMaxRepeat + 1);
      ++at_;
    }
    return begin == at_ ? std::nullopt : std::optional(number);
  }

  ExprId ReadAtom(int depth) {
    if (Take("(")) {
      const ExprId inner = ReadAlternatives(depth + 1);
      if (ok() && !Take(")")) Fail("a ( without its )");
      return inner;
    }
    if (Take("\"")) {
      std::string text;
      while (ok() && at_ < text_.size() && Peek() != '"') AppendUtf8(ReadChar(), &text);
      if (ok() && !Take("\"")) Fail("a string without its end");
      return e_.Bytes(text);
    }
    if (Take("[")) {
      const bool negated = Take("^");
      std::vector<CharRange> ranges;
      while (ok() && at_ < text_.size() && Peek() != ']') {
        const char32_t first = ReadChar();
        char32_t last = first;
        if (Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
          ++at_;
          last = ReadChar();
          if (last < first) Fail("a range whose ends are the wrong way round");
        }
        ranges.push_back({first, last});
      }
      if (ok() && !Take("]")) Fail("a [ without its end");
      const CharSet set(std::move(ranges));
      return e_.Chars(negated ? set.Complement() : set);
    }
    if (Take(".")) return e_.Chars(CharSet::All());
    const std::string_view name = ReadName();
    if (name.empty()) {
      size_t end = at_;
      if (end < text_.size()) NextCodepoint(text_, &end);
      return Fail(Concat("a character that begins nothing: ", text_.substr(at_, end - at_))), kNoText;
    }
    return e_.Reference(RuleOf(name).id);
  }

  char32_t ReadHex(size_t digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = Peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return Fail("an escape without its digits"), U'\0';
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    if (value > kLastChar || (value >= 0xD800 && value <= 0xDFFF)) return Fail("an escape that is no character"), U'\0';
    return value;
  }

  // A character of a string or a class. REQUIRES: there is one.
  char32_t ReadChar() {
    if (!Take("\\")) return NextCodepoint(text_, &at_);
    if (at_ >= text_.size()) return Fail("a \\ at its end"), U'\0';
    const char32_t c = NextCodepoint(text_, &at_);
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'x': return ReadHex(2);
      case 'u': return ReadHex(4);
      case 'U': return ReadHex(8);
      case '"':
      case '\'':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/': return c;
      default: return Fail("an escape that means nothing"), U'\0';
    }
  }

  const std::string_view text_;
  Expressions& e_;
  std::vector<std::string>& names_;
  std::vector<bool> defined_;
  absl::flat_hash_map<std::string, Rule> rules_;
  size_t at_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<ExprId> ReadGbnf(std::string_view text, Expressions& expressions, std::vector<std::string>* names) {
  return GbnfReader(text, expressions, names).Read();
}

}  // namespace batucada::grammar
