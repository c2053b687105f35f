// The parts of JSON (RFC 8259) as expressions: what schemas and tool calls are put together from.
//
// Whitespace is bounded, so that a model cannot go on with it for ever: nothing, one space, or one or two line breaks
// with an indentation. Numbers have at most 18 digits before the point, 17 behind it and 2 in the exponent: every
// program reads what comes of them. Escaped surrogates come in pairs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "text/grammar/expression.h"

namespace batucada::grammar {

inline constexpr int32_t kMostIntegerDigits = 18;
inline constexpr int32_t kMostFractionDigits = 17;

// Used by one thread; `expressions` outlives it.
class JsonParts {
 public:
  explicit JsonParts(Expressions& expressions) : e_(expressions) {}

  ExprId Space();
  // One character of the set, as it stands in a string: escaped where it must be, and only there.
  ExprId Char(const CharSet& chars);
  // Any character, escaped in any way.
  ExprId AnyChar();
  // With so many characters; `max` may be kUnbounded.
  ExprId String(int32_t min = 0, int32_t max = kUnbounded);
  ExprId Number();
  ExprId Integer();
  ExprId Boolean() { return e_.Choice({e_.Bytes("true"), e_.Bytes("false")}); }
  ExprId Null() { return e_.Bytes("null"); }
  ExprId Value();
  ExprId Object();
  ExprId Array();
  // This value, its members in this order.
  ExprId Literal(const boost::json::value& value);
  // [item, item, …] with so many items behind `first`, which all come.
  ExprId List(std::vector<ExprId> first, ExprId item, int32_t min, int32_t max);
  // {"key": value, …} with so many members.
  ExprId Map(ExprId key, ExprId value, int32_t min, int32_t max);
  ExprId Comma() { return e_.Sequence({Space(), e_.Bytes(","), Space()}); }
  ExprId Colon() { return e_.Sequence({Space(), e_.Bytes(":"), Space()}); }
  ExprId Digits(int32_t min, int32_t max) { return e_.Repeat(e_.Chars(CharSet({{'0', '9'}})), min, max); }

 private:
  ExprId Shared(std::optional<RuleId>& rule, ExprId (JsonParts::*make)());
  ExprId MakeSpace();
  ExprId MakeAnyChar();
  ExprId MakeString();
  ExprId MakeNumber();
  ExprId MakeValue();
  ExprId MakeObject();
  ExprId MakeArray();

  Expressions& e_;
  std::optional<RuleId> space_, string_, number_, value_, object_, array_;
};

// The text in quotes, with the escapes that Char writes.
std::string QuoteJson(std::string_view text);

}  // namespace batucada::grammar
