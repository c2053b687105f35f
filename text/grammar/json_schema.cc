#include "text/grammar/json_schema.h"

#include <algorithm>
#include <utility>

#include <boost/json/serialize.hpp>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_numbers.h"
#include "text/grammar/schema_reader.h"
#include "text/grammar/schema_references.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;
using Scope = SchemaFlattener::Scope;

constexpr int kMaxSchemaDepth = 100;

std::string_view TypeOf(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::null: return "null";
    case bj::kind::bool_: return "boolean";
    case bj::kind::object: return "object";
    case bj::kind::array: return "array";
    case bj::kind::string: return "string";
    case bj::kind::double_: return "number";
    default: return "integer";
  }
}
}  // namespace

bool IsOfType(const bj::value& value, std::string_view type) {
  const std::string_view own = TypeOf(value);
  return own == type || (own == "integer" && type == "number");
}

std::vector<std::string> TypesOf(const bj::object& flat) {
  std::vector<std::string> types;
  if (const bj::value* type = flat.if_contains("type")) {
    for (const bj::value& one : type->get_array()) types.emplace_back(View(one.get_string()));
    return types;
  }
  const auto any_of = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return flat.contains(name); });
  };
  if (any_of({"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
              "maxProperties", kObjects})) {
    types.emplace_back("object");
  }
  if (any_of({"items", "prefixItems", "minItems", "maxItems", "uniqueItems", kContains, kUnclaimed}))
    types.emplace_back("array");
  if (any_of({"minLength", "maxLength", "pattern", "format", kNotPatterns})) types.emplace_back("string");
  if (any_of({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}))
    types.emplace_back("number");
  return types;
}

absl::StatusOr<ExprId> SchemaReader::Read(const bj::value& schema, const std::string& path, int depth) {
  if (const bool* always = schema.if_bool()) return *always ? json_.Value() : kNoText;
  if (depth > kMaxSchemaDepth) return Refused(path, "is nested too deeply");
  const std::string text = bj::serialize(schema);
  if (!budget_.Spend(20 + static_cast<int64_t>(text.size()) / 16))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  const auto [found, fresh] = rules_.try_emplace(text, 0);
  if (!fresh) return e_.Reference(found->second);
  const RuleId rule = found->second = e_.NewRule();
  BATUCADA_ASSIGN_OR_RETURN(Flat flat, flattener_.Flatten(schema, path));
  BATUCADA_ASSIGN_OR_RETURN(const ExprId body, ReadFlat(std::move(flat), path, depth));
  e_.Define(rule, body);
  if (body == kNoText) return kNoText;
  return e_.Reference(rule);
}

absl::StatusOr<ExprId> SchemaReader::ReadFlat(Flat flat, const std::string& path, int depth) {
  if (depth > kMaxSchemaDepth) return Refused(path, "is nested too deeply");
  if (flat.contains(kNothing)) return kNoText;
  if (flat.contains(kAnyOfs)) return ReadAlternatives(std::move(flat), kAnyOfs, path, depth);
  if (flat.contains(kOneOfs)) return ReadAlternatives(std::move(flat), kOneOfs, path, depth);
  BATUCADA_RETURN_IF_ERROR(Settle(flat, path));
  if (flat.contains(kQuietly)) {
    BATUCADA_ASSIGN_OR_RETURN(flat, WithQuiet(std::move(flat), path));
    return ReadFlat(std::move(flat), path, depth + 1);
  }
  const bool no_others = flat.contains("type") || flat.erase(kNoOtherTypes) > 0;
  flat.erase(kNoOtherTypes);
  if (flat.contains(kExcept)) return ReadExcept(std::move(flat), path, depth);
  if (flat.contains("enum")) return ReadEnum(flat, path);
  const std::vector<std::string> types = TypesOf(flat);
  if (types.empty()) return json_.Value();
  std::vector<ExprId> ways;
  for (const std::string& type : types) {
    BATUCADA_ASSIGN_OR_RETURN(const ExprId way, ReadType(flat, type, path, depth));
    ways.push_back(way);
  }
  const ExprId some = e_.Choice(std::move(ways));
  if (some != kNoText || no_others) return some;
  ways.clear();
  // Nothing of the types that it speaks of, but it says nothing of the others.
  for (const char* type : {"null", "boolean", "object", "array", "string", "number"}) {
    if (std::find(types.begin(), types.end(), type) != types.end()) continue;
    BATUCADA_ASSIGN_OR_RETURN(const ExprId way, ReadType({}, type, path, depth));
    ways.push_back(way);
  }
  return e_.Choice(std::move(ways));
}

absl::StatusOr<bj::object> SchemaReader::WithQuiet(Flat flat, const std::string& path) {
  const bj::array quiet = flat.at(kQuietly).get_array();
  flat.erase(kQuietly);
  for (const bj::value& one : quiet) {
    BATUCADA_ASSIGN_OR_RETURN(const Flat also, flattener_.Flatten(one, path));
    BATUCADA_ASSIGN_OR_RETURN(flat, flattener_.Merge(std::move(flat), also, path));
  }
  return flat;
}

absl::StatusOr<bj::object> SchemaReader::Without(Flat flat, const bj::value& schema, const std::string& path) {
  BATUCADA_ASSIGN_OR_RETURN(bj::value other, flattener_.Negated(schema, path));
  bj::array quiet;
  quiet.push_back(std::move(other));
  Flat also;
  also[kQuietly] = std::move(quiet);
  return flattener_.Merge(std::move(flat), also, path, Scope::kWay);
}

absl::StatusOr<ExprId> SchemaReader::ReadAlternatives(Flat flat, const char* kind, const std::string& path, int depth) {
  bj::array lists = flat.at(kind).get_array();
  if (!budget_.Spend(SizeOf(lists)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  const bj::array list = lists.back().get_array();
  lists.pop_back();
  if (lists.empty()) {
    flat.erase(kind);
  } else {
    flat[kind] = std::move(lists);
  }
  const std::string at = Concat(path, kind == kAnyOfs ? ".anyOf" : ".oneOf");
  std::vector<Flat> branches;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string here = Concat(at, "[", i, "]");
    BATUCADA_ASSIGN_OR_RETURN(const Flat branch, flattener_.Flatten(list[i], here));
    BATUCADA_ASSIGN_OR_RETURN(Flat merged, flattener_.Merge(flat, branch, here, Scope::kWay));
    if (kind == kOneOfs) merged[kNoOtherTypes] = true;
    branches.push_back(std::move(merged));
  }
  std::vector<ExprId> ways;
  for (size_t i = 0; i < branches.size(); ++i) {
    Flat branch = branches[i];
    for (size_t k = 0; kind == kOneOfs && k < branches.size(); ++k) {
      if (i == k || Excludes(branches[i], branches[k], 0)) continue;
      absl::StatusOr<Flat> apart = Without(std::move(branch), list[k], Concat(at, "[", k, "]"));
      if (!apart.ok()) {
        return Refused(at,
                       Concat("has alternatives ", std::min(i, k), " and ", std::max(i, k),
                              " that one value might satisfy both, which an answer cannot be held to: use anyOf, or "
                              "give each a required property with a const of its own"));
      }
      branch = *std::move(apart);
    }
    BATUCADA_ASSIGN_OR_RETURN(const ExprId way, ReadFlat(std::move(branch), Concat(at, "[", i, "]"), depth + 1));
    ways.push_back(way);
  }
  return e_.Choice(std::move(ways));
}

absl::StatusOr<ExprId> SchemaReader::ReadEnum(const Flat& flat, const std::string& path) {
  const auto of_texts = [](std::string_view key) { return key == "pattern" || key == "format" || key == kNotPatterns; };
  for (const auto& [key, value] : flat) {
    if (key != "enum" && key != "type" && !of_texts(View(key)) && !IsWithin(nullptr, View(key), value)) {
      return Refused(Below(path, KeywordOf(View(key))),
                     "is not supported beside enum or const: leave out the values that it excludes");
    }
  }
  const bj::value* types = flat.if_contains("type");
  std::optional<HeldTexts> texts;
  if (std::any_of(flat.begin(), flat.end(), [&](const auto& member) { return of_texts(View(member.key())); })) {
    BATUCADA_ASSIGN_OR_RETURN(texts, ClassifyTexts(flat, {}, path));
  }
  std::vector<ExprId> ways;
  for (const bj::value& value : flat.at("enum").get_array()) {
    if (texts && value.is_string() && !texts->Holds(View(value.get_string()))) continue;
    const bool wanted =
        types == nullptr || std::any_of(types->get_array().begin(), types->get_array().end(),
                                        [&](const bj::value& t) { return IsOfType(value, View(t.get_string())); });
    const bool within = std::all_of(flat.begin(), flat.end(), [&](const auto& member) {
      return IsWithin(value, View(member.key()), member.value()).value_or(true);
    });
    if (wanted && within) ways.push_back(json_.Literal(value));
  }
  return e_.Choice(std::move(ways));
}

absl::StatusOr<ExprId> SchemaReader::ReadType(const Flat& flat, std::string_view type, const std::string& path,
                                              int depth) {
  if (type == "null") return json_.Null();
  if (type == "boolean") return json_.Boolean();
  if (type == "string") return ReadString(flat, path);
  if (type == "number" || type == "integer") return ReadNumber(flat, type == "integer", path);
  if (type == "array") return ReadArray(flat, path, depth);
  return ReadObject(flat, path, depth);
}

bool SchemaReader::Excludes(const Flat& a, const Flat& b, int depth) {
  if (depth <= 4 && (a.contains(kQuietly) || b.contains(kQuietly))) {
    // What is pending would be settled wrongly; without it more is valid.
    const auto open = [&](Flat flat) {
      if (!flat.contains(kQuietly)) return flat;
      flat.erase(kUnevaluatedProperties);
      flat.erase(kUnevaluatedItems);
      absl::StatusOr<Flat> all = WithQuiet(flat, "$");
      flat.erase(kQuietly);
      return all.ok() ? *std::move(all) : flat;
    };
    return Excludes(open(a), open(b), depth + 1);
  }
  if (a.contains(kNothing) || b.contains(kNothing)) return true;
  int64_t steps = 100;
  for (const Flat* one : {&a, &b}) {
    for (const auto& member : *one) steps += SizeOf(member.value());
  }
  if (depth > 4 || !budget_.Spend(steps)) return false;
  // Every alternative of either must be excluded: a single list is looked into.
  for (const char* kind : {kAnyOfs, kOneOfs}) {
    for (const bool left : {true, false}) {
      const Flat& one = left ? a : b;
      const bj::value* lists = one.if_contains(kind);
      if (lists == nullptr || lists->get_array().size() != 1) continue;
      Flat rest = one;
      rest.erase(kind);
      const bj::array& list = lists->get_array()[0].get_array();
      return std::all_of(list.begin(), list.end(), [&](const bj::value& branch) {
        const absl::StatusOr<Flat> flat = flattener_.Flatten(branch, "$");
        if (!flat.ok()) return false;
        const absl::StatusOr<Flat> merged = flattener_.Merge(rest, *flat, "$");
        return merged.ok() && (left ? Excludes(*merged, b, depth + 1) : Excludes(a, *merged, depth + 1));
      });
    }
  }
  const bj::value *values = a.if_contains("enum"), *others = b.if_contains("enum");
  std::vector<std::string> types = TypesOf(a);
  if (values != nullptr) {
    types.clear();
    for (const bj::value& value : values->get_array()) types.emplace_back(TypeOf(value));
  }
  if (values != nullptr && others != nullptr) {
    const bj::array& list = others->get_array();
    if (!budget_.Spend(static_cast<int64_t>(list.size() * values->get_array().size()))) return false;
    return std::all_of(values->get_array().begin(), values->get_array().end(), [&](const bj::value& value) {
      return std::find(list.begin(), list.end(), value) == list.end();
    });
  }
  if (types.empty()) return false;
  std::vector<std::string> allowed;  // b's, if it names any
  if (others != nullptr) {
    for (const bj::value& value : others->get_array()) allowed.emplace_back(TypeOf(value));
  } else if (b.contains("type")) {
    allowed = TypesOf(b);
  }
  const auto takes = [&](const std::string& type) {
    return (!b.contains("type") && others == nullptr) ||
           std::any_of(allowed.begin(), allowed.end(), [&](const std::string& t) {
             return t == type || (t == "number" && type == "integer") || (t == "integer" && type == "number");
           });
  };
  for (const std::string& type : types) {
    if (!takes(type)) continue;
    if (type != "object" || values != nullptr || others != nullptr) return false;
    // A property that b asks for and a never has, or has with values that b excludes.
    const bj::value* required = b.if_contains("required");
    const bj::value* own = a.if_contains("properties");
    const bj::value* more = a.if_contains("additionalProperties");
    const bj::value* left = a.if_contains(kUnevaluatedProperties);
    const bool open = own == nullptr || (left != nullptr && !(left->is_bool() && !left->get_bool())) ||
                      (more != nullptr && !(more->is_bool() && !more->get_bool())) || a.contains("patternProperties") ||
                      a.contains(kObjects);
    bool excluded = false;
    for (const bj::value& name : required != nullptr && required->is_array() ? required->get_array() : bj::array()) {
      if (!name.is_string()) return false;
      const bj::value* mine =
          own != nullptr && own->is_object() ? own->get_object().if_contains(name.get_string()) : nullptr;
      if (mine == nullptr) {
        excluded = excluded || !open;
        continue;
      }
      const bj::value* theirs = b.contains("properties") && b.at("properties").is_object()
                                    ? b.at("properties").get_object().if_contains(name.get_string())
                                    : nullptr;
      if (theirs == nullptr) continue;
      const absl::StatusOr<Flat> x = flattener_.Flatten(*mine, "$"), y = flattener_.Flatten(*theirs, "$");
      excluded = excluded || (x.ok() && y.ok() && Excludes(*x, *y, depth + 1));
    }
    if (!excluded) return false;
  }
  return true;
}

absl::StatusOr<ExprId> ReadJsonSchema(const bj::value& schema, Expressions& expressions, JsonParts& json,
                                      WorkBudget& budget) {
  BATUCADA_ASSIGN_OR_RETURN(bj::value plain, WithPlainReferences(schema, budget));
  MakeIntegers(plain);
  return SchemaReader(plain, expressions, json, budget).Read(plain, "$");
}

}  // namespace batucada::grammar
