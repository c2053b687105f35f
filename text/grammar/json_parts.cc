#include "text/grammar/json_parts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include <boost/json/serialize.hpp>

#include "absl/strings/str_format.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

const CharSet& PlainChars() {
  static const CharSet plain({{0x20, '!'}, {'#', '['}, {']', kLastChar}});
  return plain;
}

// How a character that is not plain is written.
std::string Escape(char32_t c) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return absl::StrFormat("\\u%04x", static_cast<uint32_t>(c));
  }
}

}  // namespace

std::string QuoteJson(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80 || (byte >= 0x20 && c != '"' && c != '\\')) {
      quoted += c;
    } else {
      quoted += Escape(byte);
    }
  }
  return quoted + "\"";
}

ExprId JsonParts::Shared(std::optional<RuleId>& rule, ExprId (JsonParts::*make)()) {
  if (!rule) {
    rule = e_.NewRule();  // before it is made: it may refer to itself
    const ExprId body = (this->*make)();
    e_.Define(*rule, body);
  }
  return e_.Reference(*rule);
}

ExprId JsonParts::Space() { return Shared(space_, &JsonParts::MakeSpace); }
ExprId JsonParts::MakeSpace() {
  constexpr int32_t kIndentation = 40;
  const ExprId line = e_.Bytes("\n");
  const ExprId blank = e_.Chars(CharSet({{' ', ' '}, {'\t', '\t'}}));
  return e_.Choice(
      {kEmptyText, e_.Bytes(" "), e_.Sequence({line, e_.Optional(line), e_.Repeat(blank, 0, kIndentation)})});
}

ExprId JsonParts::Char(const CharSet& chars) {
  std::vector<ExprId> ways = {e_.Chars(chars.Minus(PlainChars().Complement()))};
  const CharSet escaped = chars.Minus(PlainChars());
  for (const CharRange range : escaped.ranges()) {
    for (char32_t c = range.first; c <= range.last; ++c) ways.push_back(e_.Bytes(Escape(c)));
  }
  return e_.Choice(std::move(ways));
}

ExprId JsonParts::AnyChar() {
  const CharSet digit({{'0', '9'}}), hex({{'0', '9'}, {'a', 'f'}, {'A', 'F'}});
  const ExprId any = e_.Chars(hex);
  // \uD800 to \uDFFF are halves of a character.
  const ExprId whole = e_.Choice(
      {e_.Sequence({e_.Chars(CharSet({{'0', '9'}, {'a', 'c'}, {'A', 'C'}, {'e', 'f'}, {'E', 'F'}})), any, any, any}),
       e_.Sequence({e_.Chars(CharSet({{'d', 'd'}, {'D', 'D'}})), e_.Chars(CharSet({{'0', '7'}})), any, any})});
  const CharSet d({{'d', 'd'}, {'D', 'D'}});
  const ExprId pair =
      e_.Sequence({e_.Chars(d), e_.Chars(CharSet({{'8', '9'}, {'a', 'b'}, {'A', 'B'}})), any, any, e_.Bytes("\\u"),
                   e_.Chars(d), e_.Chars(CharSet({{'c', 'f'}, {'C', 'F'}})), any, any});
  const ExprId letter = e_.Chars(
      CharSet({{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}}));
  return e_.Choice(
      {e_.Chars(PlainChars()),
       e_.Sequence({e_.Bytes("\\"), e_.Choice({letter, e_.Sequence({e_.Bytes("u"), e_.Choice({whole, pair})})})})});
}

ExprId JsonParts::MakeString() {
  const ExprId quote = e_.Bytes("\"");
  return e_.Sequence({quote, e_.Repeat(AnyChar(), 0, kUnbounded), quote});
}
ExprId JsonParts::String(int32_t min, int32_t max) {
  if (min == 0 && max == kUnbounded) return Shared(string_, &JsonParts::MakeString);
  const ExprId quote = e_.Bytes("\"");
  return e_.Sequence({quote, e_.Repeat(AnyChar(), min, max), quote});
}

ExprId JsonParts::Integer() {
  const ExprId digits =
      e_.Choice({e_.Bytes("0"), e_.Sequence({e_.Chars(CharSet({{'1', '9'}})), Digits(0, kMostIntegerDigits - 1)})});
  return e_.Sequence({e_.Optional(e_.Bytes("-")), digits});
}

ExprId JsonParts::Number() { return Shared(number_, &JsonParts::MakeNumber); }
ExprId JsonParts::MakeNumber() {
  const ExprId fraction = e_.Sequence({e_.Bytes("."), Digits(1, kMostFractionDigits)});
  const ExprId exponent = e_.Sequence({e_.Chars(CharSet({{'e', 'e'}, {'E', 'E'}})),
                                       e_.Optional(e_.Chars(CharSet({{'+', '+'}, {'-', '-'}}))), Digits(1, 2)});
  return e_.Sequence({Integer(), e_.Optional(fraction), e_.Optional(exponent)});
}

ExprId JsonParts::Value() { return Shared(value_, &JsonParts::MakeValue); }
ExprId JsonParts::MakeValue() { return e_.Choice({Object(), Array(), String(), Number(), Boolean(), Null()}); }
ExprId JsonParts::Object() { return Shared(object_, &JsonParts::MakeObject); }
ExprId JsonParts::MakeObject() { return Map(String(), Value(), 0, kUnbounded); }
ExprId JsonParts::Array() { return Shared(array_, &JsonParts::MakeArray); }
ExprId JsonParts::MakeArray() { return List({}, Value(), 0, kUnbounded); }

ExprId JsonParts::List(std::vector<ExprId> first, ExprId item, int32_t min, int32_t max) {
  const ExprId comma = Comma(), open = e_.Sequence({e_.Bytes("["), Space()}),
               close = e_.Sequence({Space(), e_.Bytes("]")});
  const ExprId nothing = e_.Sequence({e_.Bytes("["), Space(), e_.Bytes("]")});
  const auto less = [](int32_t count) { return count == kUnbounded ? count : count - 1; };
  if (first.empty()) {
    if (max == 0 || item == kNoText) return min == 0 ? nothing : kNoText;
    const ExprId more = e_.Repeat(e_.Sequence({comma, item}), std::max(min - 1, 0), less(max));
    const ExprId some = e_.Sequence({open, item, more, close});
    return min == 0 ? e_.Choice({nothing, some}) : some;
  }
  std::vector<ExprId> parts = {open, first[0]};
  for (size_t i = 1; i < first.size(); ++i) {
    parts.push_back(comma);
    parts.push_back(first[i]);
  }
  parts.push_back(e_.Repeat(e_.Sequence({comma, item}), min, max));
  parts.push_back(close);
  return e_.Sequence(std::move(parts));
}

ExprId JsonParts::Map(ExprId key, ExprId value, int32_t min, int32_t max) {
  const ExprId nothing = e_.Sequence({e_.Bytes("{"), Space(), e_.Bytes("}")});
  const ExprId member = e_.Sequence({key, Colon(), value});
  if (max == 0 || member == kNoText) return min == 0 ? nothing : kNoText;
  const ExprId more =
      e_.Repeat(e_.Sequence({Comma(), member}), std::max(min - 1, 0), max == kUnbounded ? max : max - 1);
  const ExprId some = e_.Sequence({e_.Bytes("{"), Space(), member, more, Space(), e_.Bytes("}")});
  return min == 0 ? e_.Choice({nothing, some}) : some;
}

ExprId JsonParts::Literal(const boost::json::value& value) {
  if (const boost::json::array* list = value.if_array()) {
    std::vector<ExprId> items;
    for (const boost::json::value& item : *list) items.push_back(Literal(item));
    return List(std::move(items), kNoText, 0, 0);
  }
  if (const boost::json::object* members = value.if_object()) {
    if (members->empty()) return Map(kNoText, kNoText, 0, 0);
    std::vector<ExprId> parts = {e_.Bytes("{"), Space()};
    for (const auto& [key, member] : *members) {
      if (parts.size() > 2) parts.push_back(Comma());
      parts.push_back(e_.Bytes(QuoteJson({key.data(), key.size()})));
      parts.push_back(Colon());
      parts.push_back(Literal(member));
    }
    parts.push_back(Space());
    parts.push_back(e_.Bytes("}"));
    return e_.Sequence(std::move(parts));
  }
  if (const boost::json::string* text = value.if_string()) return e_.Bytes(QuoteJson({text->data(), text->size()}));
  if (const double* number = value.if_double()) {
    std::array<char, 40> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), *number);
    if (error == std::errc()) return e_.Bytes({digits.data(), static_cast<size_t>(end - digits.data())});
  }
  return e_.Bytes(boost::json::serialize(value));
}

}  // namespace batucada::grammar
