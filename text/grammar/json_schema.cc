#include "text/grammar/json_schema.h"

#include <algorithm>
#include <iterator>
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

const bj::value* Find(const bj::value& schema, std::string_view keyword) {
  const bj::object* object = schema.if_object();
  return object == nullptr ? nullptr : object->if_contains({keyword.data(), keyword.size()});
}

bj::object Only(const bj::value& schema, std::initializer_list<const char*> keywords) {
  bj::object some;
  for (const char* keyword : keywords) {
    if (const bj::value* value = Find(schema, keyword)) some[keyword] = *value;
  }
  return some;
}

bool Has(const bj::value& schema, std::initializer_list<const char*> keywords) {
  return std::any_of(keywords.begin(), keywords.end(), [&](const char* one) { return Find(schema, one) != nullptr; });
}

// Values of its types, and of a list those of its items.
bj::object OnlyTypes(const bj::value& schema) {
  bj::object types = Only(schema, {"type", "items"});
  if (types.contains("type")) types["additionalProperties"] = true;
  return types;
}

// The plainest of its keywords. What others say of names, or of items, may be what allows them.
bj::object OnlyPlain(const bj::value& schema) {
  bj::object plain = Only(schema, {"type", "enum", "const", "properties", "required", "additionalProperties", "items",
                                   "prefixItems", "anyOf", "allOf", "$ref"});
  if (const bj::value* one = Find(schema, "oneOf"); one != nullptr && !plain.contains("anyOf")) plain["anyOf"] = *one;
  if (Has(schema, {"patternProperties", "unevaluatedProperties", "dependentSchemas", "dependentRequired",
                   "dependencies", "if", "not"})) {
    plain["additionalProperties"] = true;
  }
  if (Has(schema, {"minItems", "contains", "unevaluatedItems", "if", "not"}) && !plain.contains("items") &&
      (plain.contains("prefixItems") || plain.contains("type"))) {
    plain["items"] = true;
  }
  return plain;
}

}  // namespace

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
  absl::StatusOr<ExprId> body = ReadWhole(schema, path, depth);
  if (!body.ok() && hold_ == Hold::kBestEffort) body = ReadLess(schema, path, depth);
  if (!body.ok()) {
    rules_.erase(text);  // or whoever asks again would take it for what has been read
    return body;
  }
  e_.Define(rule, *body);
  if (*body == kNoText) return kNoText;
  return e_.Reference(rule);
}

absl::StatusOr<ExprId> SchemaReader::ReadWhole(const bj::value& schema, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(Flat flat, flattener_.Flatten(schema, path));
  return ReadFlat(std::move(flat), path, depth);
}

absl::StatusOr<ExprId> SchemaReader::ReadLess(const bj::value& schema, const std::string& path, int depth) {
  absl::StatusOr<ExprId> body = ReadWhole(OnlyPlain(schema), path, depth);
  if (body.ok()) return body;
  // Behind references and what is said of all, too.
  const absl::StatusOr<Flat> flat = flattener_.Flatten(schema, path);
  return ReadTypesAlone(flat.ok() ? *flat : OnlyTypes(schema), path, depth);
}

absl::StatusOr<ExprId> SchemaReader::ReadTypesAlone(const Flat& flat, const std::string& path, int depth) {
  bj::object types = OnlyTypes(flat);
  absl::StatusOr<ExprId> body = ReadWhole(types, path, depth);
  if (body.ok()) return body;
  types.erase("items");
  body = ReadWhole(types, path, depth);
  if (body.ok() || budget_.spent()) return body;
  return json_.Value();
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
  flat.erase(kNarrowed);
  bj::array except;
  if (bj::value* excluded = flat.if_contains(kExcept)) {
    except = std::move(excluded->get_array());
    flat.erase(kExcept);
  }
  if (flat.contains("enum")) {
    BATUCADA_RETURN_IF_ERROR(LeaveOut(except, flat));
    return ReadEnum(flat, path);
  }
  constexpr const char* kTypes[] = {"null", "boolean", "object", "array", "string", "number"};
  std::vector<std::string> types = TypesOf(flat), others;
  if (types.empty() && except.empty()) return json_.Value();
  if (types.empty()) types.assign(std::begin(kTypes), std::end(kTypes));
  BATUCADA_ASSIGN_OR_RETURN(const ExprId some, ReadTypes(flat, except, types, path, depth));
  if (some != kNoText || no_others) return some;
  // Nothing of the types that it speaks of, but it says nothing of the others.
  std::copy_if(std::begin(kTypes), std::end(kTypes), std::back_inserter(others),
               [&](const char* type) { return std::find(types.begin(), types.end(), type) == types.end(); });
  return ReadTypes({}, except, others, path, depth);
}

absl::StatusOr<ExprId> SchemaReader::ReadTypes(const Flat& flat, const bj::array& except,
                                               const std::vector<std::string>& types, const std::string& path,
                                               int depth) {
  std::vector<ExprId> ways;
  for (const std::string& type : types) {
    BATUCADA_ASSIGN_OR_RETURN(const ExprId way, except.empty() ? ReadType(flat, type, path, depth)
                                                               : ReadExceptOfType(flat, except, type, path, depth));
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
    branches.push_back(std::move(merged));
  }
  if (kind == kOneOfs) return ReadOneOf(list, branches, at, depth);
  std::vector<ExprId> ways;
  for (size_t i = 0; i < branches.size(); ++i) {
    PinTypes(branches[i]);
    const std::string here = Concat(at, "[", i, "]");
    absl::StatusOr<ExprId> way = ReadFlat(branches[i], here, depth + 1);
    if (!way.ok() && hold_ == Hold::kBestEffort) way = ReadTypesAlone(branches[i], here, depth + 1);
    if (!way.ok()) return way;
    ways.push_back(*way);
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

absl::StatusOr<ExprId> ReadJsonSchema(const bj::value& schema, Hold hold, Expressions& expressions, JsonParts& json,
                                      WorkBudget& budget) {
  absl::StatusOr<bj::value> plain = WithPlainReferences(schema, budget);
  if (!plain.ok() && hold == Hold::kBestEffort) plain = OnlyTypes(schema);
  if (!plain.ok()) return plain.status();
  MakeIntegers(*plain);
  return SchemaReader(*plain, hold, expressions, json, budget).Read(*plain, "$");
}

}  // namespace batucada::grammar
