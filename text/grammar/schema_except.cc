// Of a flat schema what other schemas leave: values that it is not to be.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_numbers.h"
#include "text/grammar/schema_reader.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;
using Scope = SchemaFlattener::Scope;

constexpr size_t kMostNumbers = 64;

bool IsIn(const bj::array& list, const bj::value& value) {
  return std::any_of(list.begin(), list.end(), [&](const bj::value& one) { return AreSame(one, value); });
}

}  // namespace

bool AreSame(const bj::value& a, const bj::value& b) {
  if (a.is_number() && b.is_number()) return ExactOf(a) == ExactOf(b);
  if (a.is_array() && b.is_array()) {
    return std::equal(a.get_array().begin(), a.get_array().end(), b.get_array().begin(), b.get_array().end(), AreSame);
  }
  if (a.is_object() && b.is_object()) {
    const bj::object& other = b.get_object();
    return a.get_object().size() == other.size() &&
           std::all_of(a.get_object().begin(), a.get_object().end(), [&](const auto& member) {
             const bj::value* value = other.if_contains(member.key());
             return value != nullptr && AreSame(member.value(), *value);
           });
  }
  return a == b;
}

std::optional<bool> IsWithin(const bj::value& value, std::string_view keyword, const bj::value& bound) {
  if (keyword == kNotWhole) return !value.is_number() || ExactOf(value) != std::floor(ExactOf(value));
  if (!bound.is_number()) return std::nullopt;
  const auto most = [&](ExactNumber size) { return size <= ExactOf(bound); };
  const auto least = [&](ExactNumber size) { return size >= ExactOf(bound); };
  const auto size_of = [](size_t size) { return static_cast<ExactNumber>(size); };
  if (keyword == "minLength" || keyword == "maxLength") {
    if (!value.is_string()) return true;
    const bj::string& text = value.get_string();
    const auto characters =
        static_cast<ExactNumber>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    return keyword == "minLength" ? least(characters) : most(characters);
  }
  if (keyword == "minItems") return !value.is_array() || least(size_of(value.get_array().size()));
  if (keyword == "maxItems") return !value.is_array() || most(size_of(value.get_array().size()));
  if (keyword == "minProperties") return !value.is_object() || least(size_of(value.get_object().size()));
  if (keyword == "maxProperties") return !value.is_object() || most(size_of(value.get_object().size()));
  const ExactNumber number = value.is_number() ? ExactOf(value) : 0;
  if (keyword == "minimum") return !value.is_number() || least(number);
  if (keyword == "maximum") return !value.is_number() || most(number);
  if (keyword == "exclusiveMinimum") return !value.is_number() || (least(number) && !most(number));
  if (keyword == "exclusiveMaximum") return !value.is_number() || (most(number) && !least(number));
  return std::nullopt;
}

absl::Status SchemaReader::LeaveOut(const bj::array& except, Flat& flat) {
  if (except.empty()) return absl::OkStatus();
  bj::value& values = flat.at("enum");
  if (!budget_.Spend(SizeOf(except) * SizeOf(values)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  bj::array left;
  for (const bj::value& value : values.get_array()) {
    if (!IsIn(except, value)) left.push_back(value);
  }
  values = std::move(left);
  return absl::OkStatus();
}

absl::StatusOr<ExprId> SchemaReader::ReadExceptOfType(const Flat& flat, const bj::array& except,
                                                      const std::string& type, const std::string& path, int depth) {
  if (type == "null") return IsIn(except, nullptr) ? kNoText : json_.Null();
  if (type == "boolean") {
    return e_.Choice(
        {IsIn(except, true) ? kNoText : e_.Bytes("true"), IsIn(except, false) ? kNoText : e_.Bytes("false")});
  }
  if (type == "string") {
    std::vector<std::string> texts;
    for (const bj::value& value : except) {
      if (value.is_string()) texts.emplace_back(View(value.get_string()));
    }
    if (texts.empty()) return ReadString(flat, path);
    for (const char* beside : {"minLength", "maxLength", "pattern", "format", kNotPatterns}) {
      if (!flat.contains(beside)) continue;
      BATUCADA_ASSIGN_OR_RETURN(const HeldTexts held, ClassifyTexts(flat, texts, path));
      const ExprId quote = e_.Bytes("\"");
      return e_.Sequence({quote, held.classes.Texts(held.in, held.out, json_, e_), quote});
    }
    return OtherKey(texts);
  }
  if (type == "array" || type == "object") {
    Flat some = flat;
    for (const bj::value& value : except) {
      const bool empty = type == "array" ? value.is_array() && value.get_array().empty()
                                         : value.is_object() && value.get_object().empty();
      if (!empty && (type == "array" ? value.is_array() : value.is_object())) {
        if (!flat.contains("type")) return kNoText;
        return Refused(path, Concat("excludes a value of the type ", type, ", which an answer cannot be held to"));
      }
      if (!empty) continue;
      Flat bound;
      bound[type == "array" ? "minItems" : "minProperties"] = 1;
      BATUCADA_ASSIGN_OR_RETURN(some, flattener_.Merge(std::move(some), bound, path, Scope::kWay));
    }
    return ReadType(some, type, path, depth);
  }
  std::vector<bj::value> numbers;
  for (const bj::value& value : except) {
    if (value.is_number()) numbers.push_back(value);
  }
  std::sort(numbers.begin(), numbers.end(),
            [](const bj::value& a, const bj::value& b) { return ExactOf(a) < ExactOf(b); });
  numbers.erase(std::unique(numbers.begin(), numbers.end(), AreSame), numbers.end());
  if (numbers.empty()) return ReadType(flat, type, path, depth);
  if (numbers.size() > kMostNumbers) return Refused(path, Concat("excludes more than ", kMostNumbers, " numbers"));
  std::vector<ExprId> ways;
  for (size_t i = 0; i <= numbers.size(); ++i) {  // below, between and above them
    Flat bounds;
    if (i > 0) bounds["exclusiveMinimum"] = numbers[i - 1];
    if (i < numbers.size()) bounds["exclusiveMaximum"] = numbers[i];
    BATUCADA_ASSIGN_OR_RETURN(const Flat between, flattener_.Merge(flat, bounds, path, Scope::kWay));
    BATUCADA_ASSIGN_OR_RETURN(const ExprId way, ReadType(between, type, path, depth));
    ways.push_back(way);
  }
  return e_.Choice(std::move(ways));
}

}  // namespace batucada::grammar
