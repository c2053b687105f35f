// Schemas that say what a value is not, or what it must be if it is something else: as alternatives that exclude each
// other, so that whatever an answer is held to holds.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxNegations = 32;

bool OneOf(std::initializer_list<std::string_view> list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bj::object AnyOf(bj::array ways) {
  bj::object schema;
  schema["anyOf"] = std::move(ways);
  return schema;
}
bj::object AllOf(const bj::value& a, const bj::value& b) {
  bj::array parts = {a, b};
  bj::object schema;
  schema["allOf"] = std::move(parts);
  return schema;
}
bj::object OfType(const char* type, const char* keyword, bj::value value) {
  bj::object schema;
  schema["type"] = type;
  schema[keyword] = std::move(value);
  return schema;
}
bj::object Except(bj::array values) {
  bj::object schema;
  schema[kExcept] = std::move(values);
  return schema;
}
// What holds too, and evaluates nothing.
bj::object Quietly(bj::value schema, bool narrowed = false) {
  bj::object quietly;
  quietly[kQuietly] = bj::array{std::move(schema)};
  if (narrowed) quietly[kNarrowed] = true;
  return quietly;
}

// An object in which `name` is something else, or that has none.
bj::object WithProperty(bj::string_view name, bj::value schema) {
  const bool forbidden = schema.is_bool() && !schema.get_bool();
  bj::object object = {{"type", "object"}, {"properties", bj::object{{name, std::move(schema)}}}};
  if (!forbidden) object["required"] = bj::array{bj::string(name)};
  return object;
}

// Schemas of the types that are not `type`, nor among its list.
bj::array OtherTypes(const bj::value& type) {
  const bj::array named = type.is_array() ? type.get_array() : bj::array{type};
  const auto holds = [&](std::string_view one) {
    return std::any_of(named.begin(), named.end(),
                       [&](const bj::value& v) { return v.is_string() && View(v.get_string()) == one; });
  };
  bj::array others, ways;
  for (const char* one : {"null", "boolean", "object", "array", "string"}) {
    if (!holds(one)) others.emplace_back(one);
  }
  if (!holds("number") && !holds("integer")) others.emplace_back("number");
  if (!others.empty()) ways.push_back(bj::object{{"type", std::move(others)}});
  if (holds("integer") && !holds("number")) ways.push_back(OfType("number", kNotWhole, true));
  return ways;
}

// A whole number that a bound is moved by one from; nothing, if it is none.
bj::value Moved(const bj::value& count, int by) {
  const double number = count.is_number() ? count.to_number<double>() : -1;
  return number < 0 || number != std::floor(number) || number > 1e9 ? bj::value() : bj::value(number + by);
}

struct OppositeBound {
  std::string_view keyword;
  const char* type;
  const char* opposite;
  int by;  // of counts; 0: a bound of numbers
};
constexpr OppositeBound kOpposites[] = {
    {"minimum", "number", "exclusiveMaximum", 0},
    {"maximum", "number", "exclusiveMinimum", 0},
    {"exclusiveMinimum", "number", "maximum", 0},
    {"exclusiveMaximum", "number", "minimum", 0},
    {"minLength", "string", "maxLength", -1},
    {"maxLength", "string", "minLength", 1},
    {"minItems", "array", "maxItems", -1},
    {"maxItems", "array", "minItems", 1},
    {"minProperties", "object", "maxProperties", -1},
    {"maxProperties", "object", "minProperties", 1},
};

}  // namespace

absl::StatusOr<bj::value> SchemaFlattener::Negated(const bj::value& schema, const std::string& path, int depth) {
  if (const bool* always = schema.if_bool()) return bj::value(!*always);
  const bj::object* object = schema.if_object();
  if (object == nullptr) return Refused(path, "must be a schema: an object, true or false");
  if (depth > kMaxNegations) return Refused(path, "is nested too deeply, or refers to itself, which cannot be negated");
  if (!budget_.Spend(10 + SizeOf(schema)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  bj::array ways;
  const auto refused = [&](std::string_view keyword) {
    return Refused(Below(path, KeywordOf(keyword)),
                   "cannot be negated: an answer cannot be held to the opposite. Say it otherwise");
  };
  const auto opposite = [&](const bj::value& inner, const std::string& at) { return Negated(inner, at, depth + 1); };
  for (const auto& [key, value] : *object) {
    const std::string_view name = View(key);
    const std::string at = Below(path, name);
    const OppositeBound* bound = std::find_if(std::begin(kOpposites), std::end(kOpposites),
                                              [&](const OppositeBound& one) { return one.keyword == name; });
    if (bound != std::end(kOpposites)) {
      const bj::value moved = bound->by == 0 ? value : Moved(value, bound->by);
      if (!moved.is_number()) return Refused(at, "must be a number, of lengths a whole one");
      if (moved.to_number<double>() >= 0 || bound->by == 0) ways.push_back(OfType(bound->type, bound->opposite, moved));
    } else if (name == "type") {
      for (bj::value& other : OtherTypes(value)) ways.push_back(std::move(other));
    } else if (name == "const") {
      ways.push_back(Except({value}));
    } else if (name == "enum") {
      if (!value.is_array()) return Refused(at, "must be a list");
      ways.push_back(Except(value.get_array()));
    } else if (name == "required") {
      if (!value.is_array()) return Refused(at, "must be a list of names");
      for (const bj::value& one : value.get_array()) {
        if (!one.is_string()) return Refused(at, "must be a list of names");
        ways.push_back(WithProperty(one.get_string(), false));
      }
    } else if (name == "properties") {
      if (!value.is_object()) return Refused(at, "must be an object");
      for (const auto& [property, inner] : value.get_object()) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(inner, Below(at, View(property))));
        if (other.is_bool() && !other.get_bool()) continue;  // it may be anything
        ways.push_back(WithProperty(property, std::move(other)));
      }
    } else if (name == "items" || name == "contains") {
      BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(value, at));
      const bool items = name == "items";
      if (object->contains("prefixItems") || object->contains("minContains") || object->contains("maxContains")) {
        return refused(name);
      }
      if (items && other.is_bool() && !other.get_bool()) continue;
      ways.push_back(OfType("array", items ? "contains" : "items", std::move(other)));
    } else if (name == "prefixItems") {
      if (!value.is_array()) return Refused(at, "must be a list of schemas");
      bj::array before;
      for (size_t i = 0; i < value.get_array().size(); ++i) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(value.get_array()[i], Concat(at, "[", i, "]")));
        const bool never = other.is_bool() && !other.get_bool();
        before.push_back(std::move(other));
        if (!never) {
          bj::object list = OfType("array", "prefixItems", before);
          list["minItems"] = before.size();
          ways.push_back(std::move(list));
        }
        before.back() = true;
      }
    } else if (name == "anyOf" || name == "allOf") {
      if (!value.is_array() || value.get_array().empty()) return Refused(at, "must be a list of schemas");
      bj::array others;
      for (size_t i = 0; i < value.get_array().size(); ++i) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(value.get_array()[i], Concat(at, "[", i, "]")));
        others.push_back(std::move(other));
      }
      bj::object all;
      all["allOf"] = others;
      ways.push_back(name == "anyOf" ? std::move(all) : AnyOf(std::move(others)));
    } else if (name == "not") {
      ways.push_back(value);
    } else if (name == "$ref") {
      BATUCADA_ASSIGN_OR_RETURN(const bj::value* target, Resolve(value, at));
      BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(*target, at));
      ways.push_back(std::move(other));
    } else if (name == "if") {
      const bj::value *then = object->if_contains("then"), *otherwise = object->if_contains("else");
      if (then != nullptr) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(*then, Below(path, "then")));
        ways.push_back(AllOf(value, other));
      }
      if (otherwise != nullptr) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value without, opposite(value, at));
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(*otherwise, Below(path, "else")));
        ways.push_back(AllOf(without, other));
      }
    } else if (OneOf({"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames"}, name) &&
               value.is_bool() && value.get_bool()) {
      continue;
    } else if (name == "pattern") {
      if (!value.is_string()) return Refused(at, "must be a string");
      ways.push_back(OfType("string", kNotPatterns, bj::array{value}));
    } else if (name == "oneOf") {
      // None of them; values of more than one are left out.
      if (!value.is_array() || value.get_array().empty()) return Refused(at, "must be a list of schemas");
      if (value.get_array().size() > 1) ++narrowed_;
      bj::array others;
      for (size_t i = 0; i < value.get_array().size(); ++i) {
        BATUCADA_ASSIGN_OR_RETURN(bj::value other, opposite(value.get_array()[i], Concat(at, "[", i, "]")));
        others.push_back(std::move(other));
      }
      bj::object all;
      all["allOf"] = std::move(others);
      ways.push_back(std::move(all));
    } else if (OneOf({"format",
                      "multipleOf",
                      "uniqueItems",
                      "additionalProperties",
                      "patternProperties",
                      "propertyNames",
                      "unevaluatedProperties",
                      "unevaluatedItems",
                      "dependentRequired",
                      "dependentSchemas",
                      "dependencies",
                      "$dynamicRef",
                      "$recursiveRef",
                      "additionalItems",
                      "extends",
                      "disallow",
                      "divisibleBy",
                      kExcept,
                      kNotPatterns,
                      kNotWhole,
                      kQuietly,
                      kNarrowed},
                     name)) {
      return refused(name);
    }
  }
  if (ways.empty()) return bj::value(false);  // it is satisfied by everything
  if (ways.size() == 1) return bj::value(ways.front());
  return bj::value(AnyOf(std::move(ways)));
}

absl::StatusOr<bj::object> SchemaFlattener::AddConditions(bj::object flat, const bj::object& schema,
                                                          const std::string& path, int depth) {
  const auto add = [&](const bj::value& other, const std::string& at) -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const bj::object also, Flatten(other, at, depth + 1));
    BATUCADA_ASSIGN_OR_RETURN(flat, Merge(std::move(flat), also, at));
    return absl::OkStatus();
  };
  const int64_t before = narrowed_;
  if (const bj::value* excluded = schema.if_contains("not")) {
    const std::string at = Below(path, "not");
    BATUCADA_ASSIGN_OR_RETURN(bj::value other, Negated(*excluded, at));
    BATUCADA_RETURN_IF_ERROR(add(Quietly(std::move(other), narrowed_ > before), at));
  }
  const bj::value *condition = schema.if_contains("if"), *then = schema.if_contains("then"),
                  *otherwise = schema.if_contains("else");
  if (condition != nullptr && (then != nullptr || otherwise != nullptr)) {
    const std::string at = Below(path, "if");
    BATUCADA_ASSIGN_OR_RETURN(bj::value without, Negated(*condition, at));
    const bj::value anything(true);
    bj::array ways;
    ways.push_back(AllOf(*condition, then == nullptr ? anything : *then));
    ways.push_back(
        AllOf(Quietly(std::move(without), narrowed_ > before), otherwise == nullptr ? anything : *otherwise));
    BATUCADA_RETURN_IF_ERROR(add(AnyOf(std::move(ways)), at));
  }
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const bj::value* all = schema.if_contains(keyword);
    if (all == nullptr) continue;
    const std::string at = Below(path, keyword);
    if (!all->is_object()) return Refused(at, "must be an object");
    for (const auto& [name, also] : all->get_object()) {
      const bool list = also.is_array();
      if (list != (std::string_view(keyword) == "dependentRequired") && std::string_view(keyword) != "dependencies") {
        return Refused(Below(at, View(name)), list ? "must be a schema" : "must be a list of names");
      }
      if ((list && also.get_array().empty()) || (also.is_bool() && also.get_bool())) continue;
      bj::array asked = {bj::string(name)};
      if (list) asked.insert(asked.end(), also.get_array().begin(), also.get_array().end());
      const bj::object has = OfType("object", "required", std::move(asked));
      bj::array ways;
      ways.push_back(Quietly(WithProperty(name, false)));
      ways.push_back(list ? has : AllOf(has, also));
      ways.push_back(bj::object{{"type", bj::array{"null", "boolean", "array", "string", "number"}}});
      BATUCADA_RETURN_IF_ERROR(add(AnyOf(std::move(ways)), Below(at, View(name))));
    }
  }
  if (const bj::value* hit = schema.if_contains("contains")) {
    bj::object contains;
    contains["schema"] = *hit;
    contains["min"] = 1;
    for (const auto& [keyword, bound] : {std::pair("minContains", "min"), std::pair("maxContains", "max")}) {
      const bj::value* value = schema.if_contains(keyword);
      if (value == nullptr) continue;
      const double count = value->is_number() ? value->to_number<double>() : -1;
      if (count < 0 || count != std::floor(count)) {
        return Refused(Below(path, keyword), "must be a whole number, at least 0");
      }
      contains[bound] = static_cast<int64_t>(std::min(count, 1e6));
    }
    if (contains.contains("max") || contains.at("min").to_number<int64_t>() != 0) {
      bj::object also;
      also[kContains] = bj::array{std::move(contains)};
      BATUCADA_ASSIGN_OR_RETURN(flat, Merge(std::move(flat), also, path));
    }
  }
  return flat;
}

}  // namespace batucada::grammar
