#include "text/grammar/expression.h"

#include <algorithm>
#include <utility>

namespace batucada::grammar {
namespace {

constexpr CharRange kSurrogates{0xD800, 0xDFFF};

}  // namespace

CharSet::CharSet(std::vector<CharRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](CharRange a, CharRange b) { return a.first < b.first; });
  const auto add = [this](char32_t first, char32_t last) {
    if (first > last) return;
    if (!ranges_.empty() && first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, last);
    } else {
      ranges_.push_back({first, last});
    }
  };
  for (CharRange range : ranges) {
    range.last = std::min(range.last, kLastChar);
    add(range.first, std::min<char32_t>(range.last, kSurrogates.first - 1));
    add(std::max<char32_t>(range.first, kSurrogates.last + 1), range.last);
  }
}

bool CharSet::Contains(char32_t c) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [c](CharRange r) { return r.first <= c && c <= r.last; });
}

CharSet CharSet::Complement() const {
  std::vector<CharRange> rest;
  char32_t next = 0;
  for (const CharRange range : ranges_) {
    if (range.first > next) rest.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastChar) rest.push_back({next, kLastChar});
  return CharSet(std::move(rest));
}

CharSet CharSet::Union(const CharSet& other) const {
  std::vector<CharRange> both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CharSet(std::move(both));
}

CharSet CharSet::Minus(const CharSet& other) const { return Complement().Union(other).Complement(); }

ExprId Expressions::Add(Expression expression) {
  size_ += 1 + expression.children.size() + expression.bytes.size() / 8 + expression.chars.ranges().size();
  if (overflowed()) return kNoText;
  all_.push_back(std::move(expression));
  return static_cast<ExprId>(all_.size()) - 1;
}

ExprId Expressions::Bytes(std::string_view bytes) {
  if (bytes.empty()) return kEmptyText;
  return Add({.kind = Expression::Kind::kBytes, .bytes = std::string(bytes)});
}

ExprId Expressions::Chars(CharSet chars) {
  if (chars.empty()) return kNoText;
  return Add({.kind = Expression::Kind::kChars, .chars = std::move(chars)});
}

ExprId Expressions::Token(int32_t id) { return Add({.kind = Expression::Kind::kToken, .id = id}); }

ExprId Expressions::Reference(RuleId rule) { return Add({.kind = Expression::Kind::kRule, .id = rule}); }

ExprId Expressions::Sequence(std::vector<ExprId> parts) {
  std::erase(parts, kEmptyText);
  if (std::find(parts.begin(), parts.end(), kNoText) != parts.end()) return kNoText;
  if (parts.empty()) return kEmptyText;
  if (parts.size() == 1) return parts.front();
  return Add({.kind = Expression::Kind::kSequence, .children = std::move(parts)});
}

ExprId Expressions::Choice(std::vector<ExprId> alternatives) {
  std::erase(alternatives, kNoText);
  std::sort(alternatives.begin(), alternatives.end());
  alternatives.erase(std::unique(alternatives.begin(), alternatives.end()), alternatives.end());
  if (alternatives.empty()) return kNoText;
  if (alternatives.size() == 1) return alternatives.front();
  return Add({.kind = Expression::Kind::kChoice, .children = std::move(alternatives)});
}

ExprId Expressions::Repeat(ExprId body, int32_t min, int32_t max) {
  if (max == 0 || body == kEmptyText) return kEmptyText;
  if (body == kNoText) return min == 0 ? kEmptyText : kNoText;
  if (min == 1 && max == 1) return body;
  if (min == 0 && max == 1) return Optional(body);
  return Add({.kind = Expression::Kind::kRepeat, .children = {body}, .min = min, .max = max});
}

}  // namespace batucada::grammar
