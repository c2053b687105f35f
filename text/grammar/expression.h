// What a text may be, as an expression over characters: the form that schemas, regular expressions and grammars are
// read into and that a Network is made of.
//
// All expressions of a grammar lie in one arena, which stops growing at a bound: what is made after that is kNoText,
// and overflowed() says so. Expressions hold no cycles; rules do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace batucada::grammar {

struct CharRange {
  char32_t first = 0, last = 0;  // both belong to it
};
inline constexpr char32_t kLastChar = 0x10FFFF;

// A set of characters: ranges in order, apart from each other, without surrogates.
class CharSet {
 public:
  CharSet() = default;
  explicit CharSet(std::vector<CharRange> ranges);
  static CharSet All() { return CharSet({{0, kLastChar}}); }

  const std::vector<CharRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool Contains(char32_t c) const;
  CharSet Complement() const;
  CharSet Union(const CharSet& other) const;
  CharSet Minus(const CharSet& other) const;

 private:
  std::vector<CharRange> ranges_;
};

using ExprId = int32_t;
using RuleId = int32_t;
inline constexpr ExprId kEmptyText = 0;  // the empty text
inline constexpr ExprId kNoText = 1;     // no text at all
inline constexpr int32_t kUnbounded = -1;

struct Expression {
  enum class Kind : uint8_t { kEmpty, kNever, kBytes, kChars, kToken, kSequence, kChoice, kRepeat, kRule };
  Kind kind = Kind::kEmpty;
  std::string bytes;             // kBytes: as they are, at least one
  CharSet chars;                 // kChars: one of them, as UTF-8
  std::vector<ExprId> children;  // kSequence, kChoice: at least two; kRepeat: one
  int32_t id = 0;                // kToken: the token; kRule: the rule
  int32_t min = 0, max = 0;      // kRepeat: max may be kUnbounded
};

class Expressions {
 public:
  explicit Expressions(size_t max_size = kMaxSize) : max_size_(max_size) {
    all_.resize(2);
    all_[kNoText].kind = Expression::Kind::kNever;
  }

  ExprId Bytes(std::string_view bytes);
  ExprId Chars(CharSet chars);
  ExprId Token(int32_t id);  // one special token, which no bytes spell
  ExprId Sequence(std::vector<ExprId> parts);
  ExprId Choice(std::vector<ExprId> alternatives);
  ExprId Repeat(ExprId body, int32_t min, int32_t max);
  ExprId Optional(ExprId body) { return Choice({body, kEmptyText}); }

  // A rule may be referred to before it is defined.
  RuleId NewRule() {
    rules_.push_back(kNoText);
    return static_cast<RuleId>(rules_.size()) - 1;
  }
  void Define(RuleId rule, ExprId body) { rules_[static_cast<size_t>(rule)] = body; }
  ExprId Reference(RuleId rule);

  const Expression& operator[](ExprId id) const { return all_[static_cast<size_t>(id)]; }
  ExprId body(RuleId rule) const { return rules_[static_cast<size_t>(rule)]; }
  size_t rules() const { return rules_.size(); }
  size_t size() const { return size_; }
  bool overflowed() const { return size_ > max_size_; }

 private:
  static constexpr size_t kMaxSize = 400'000;  // expressions, their children and bytes
  ExprId Add(Expression expression);

  const size_t max_size_;
  size_t size_ = 0;
  std::vector<Expression> all_;
  std::vector<ExprId> rules_;  // bodies
};

}  // namespace batucada::grammar
