#include "text/grammar/schema_flatten.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_numbers.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxFlattened = 64;

// Say nothing about which values are valid.
constexpr std::string_view kAnnotations[] = {"$schema",       "$id",           "$comment",        "$defs",
                                             "definitions",   "$vocabulary",   "title",           "description",
                                             "default",       "examples",      "example",         "deprecated",
                                             "readOnly",      "writeOnly",     "contentEncoding", "contentMediaType",
                                             "contentSchema", "discriminator", "externalDocs",    "xml",
                                             "$anchor"};
constexpr std::string_view kHeldTo[] = {"type",
                                        "enum",
                                        "properties",
                                        "required",
                                        "additionalProperties",
                                        "patternProperties",
                                        "propertyNames",
                                        "minProperties",
                                        "maxProperties",
                                        "items",
                                        "prefixItems",
                                        "minItems",
                                        "maxItems",
                                        "minLength",
                                        "maxLength",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "multipleOf"};
// Change which values are valid, and are not held to.
constexpr std::string_view kNotHeldTo[] = {"$dynamicRef", "$recursiveRef", "additionalItems",
                                           "extends",     "disallow",      "divisibleBy"};

template <typename List>
bool IsListed(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

absl::StatusOr<bj::array> ReadTypes(const bj::value& type, const std::string& path) {
  constexpr std::string_view kTypes[] = {"null", "boolean", "object", "array", "number", "integer", "string"};
  const bj::array types = type.is_array() ? type.get_array() : bj::array{type};
  for (const bj::value& one : types) {
    if (!one.is_string() || !IsListed(kTypes, View(one.get_string())))
      return Refused(path, "is no type of JSON Schema");
  }
  if (types.empty()) return Refused(path, "is empty");
  return types;
}

}  // namespace

int64_t SizeOf(const bj::value& value) {
  int64_t size = 1;
  if (const bj::object* object = value.if_object()) {
    for (const auto& member : *object) size += 1 + SizeOf(member.value());
  } else if (const bj::array* array = value.if_array()) {
    for (const bj::value& one : *array) size += SizeOf(one);
  }
  return size;
}

std::string Below(const std::string& path, std::string_view member) {
  const bool plain = !member.empty() && std::all_of(member.begin(), member.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '-';
  });
  if (path.size() > 500) return path;
  return plain ? Concat(path, ".", member) : Concat(path, "[\"", Printable(member), "\"]");
}

std::string_view KeywordOf(std::string_view member) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{kAnyOfs, "anyOf"},
                                                                      {kOneOfs, "oneOf"},
                                                                      {kExcept, "not"},
                                                                      {kNotPatterns, "not"},
                                                                      {kNotWhole, "not"},
                                                                      {kQuietly, "not"},
                                                                      {kContains, "contains"},
                                                                      {kObjects, "properties"},
                                                                      {kUnclaimed, "unevaluatedItems"},
                                                                      {kUnevaluatedProperties, "unevaluatedProperties"},
                                                                      {kUnevaluatedItems, "unevaluatedItems"}};
  for (const auto& [own, keyword] : kNames) {
    if (own == member) return keyword;
  }
  return member;
}

absl::Status Refused(const std::string& path, std::string_view what) {
  // Of a long path, such as one that leads to itself, its beginning and its end say where.
  constexpr size_t kLong = 160, kBegin = 80, kEnd = 48;
  if (path.size() > kLong) {
    const size_t begin = path.find_last_of(".[", kBegin), end = path.find_first_of(".[", path.size() - kEnd);
    if (begin != path.npos && begin > 0 && end != path.npos) {
      return absl::InvalidArgumentError(Concat(path.substr(0, begin), "…", path.substr(end), " ", what));
    }
  }
  return absl::InvalidArgumentError(Concat(path, " ", what));
}

const bj::value* AtPointer(const bj::value& root, std::string_view pointer) {
  if (pointer == "#") return &root;
  if (!pointer.starts_with("#/")) return nullptr;
  const bj::value* at = &root;
  for (size_t begin = 2; at != nullptr && begin <= pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    std::string name;
    for (size_t i = begin; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
        name += pointer[++i] == '0' ? '~' : '/';
      } else if (pointer[i] == '%' && i + 2 < end && absl::ascii_isxdigit(static_cast<unsigned char>(pointer[i + 1])) &&
                 absl::ascii_isxdigit(static_cast<unsigned char>(pointer[i + 2]))) {
        name += static_cast<char>(std::stoi(std::string(pointer.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      } else {
        name += pointer[i];
      }
    }
    if (const bj::object* object = at->if_object()) {
      at = object->if_contains(name);
    } else if (const bj::array* list = at->if_array();
               list != nullptr && !name.empty() && name.size() < 9 && std::all_of(name.begin(), name.end(), [](char c) {
                 return absl::ascii_isdigit(static_cast<unsigned char>(c));
               })) {
      const auto index = static_cast<size_t>(std::stol(name));
      at = index < list->size() ? &(*list)[index] : nullptr;
    } else {
      at = nullptr;
    }
    begin = end + 1;
  }
  return at;
}

absl::StatusOr<const bj::value*> SchemaFlattener::Resolve(const bj::value& reference, const std::string& path) const {
  if (!reference.is_string()) return Refused(path, "must be a string");
  const std::string_view pointer = View(reference.get_string());
  if (const bj::value* at = AtPointer(root_, pointer)) return at;
  return Refused(path, Concat("refers to ", Printable(pointer),
                              ", which is not in this schema: only #, #/… and names of "
                              "$anchor do"));
}

absl::StatusOr<bj::object> SchemaFlattener::Flatten(const bj::value& schema, const std::string& path, int depth) {
  if (depth > kMaxFlattened) return Refused(path, "is nested too deeply, or refers to itself without end");
  if (const bool* always = schema.if_bool()) {
    return *always ? bj::object() : bj::object{{kNothing, true}};
  }
  const bj::object* object = schema.if_object();
  if (object == nullptr) return Refused(path, "must be a schema: an object, true or false");
  if (!budget_.Spend(10 + SizeOf(schema)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  for (const char* values : {"const", "enum"}) {
    const bj::value* value = object->if_contains(values);
    if (value != nullptr && HasRoundedInteger(*value)) {
      return Refused(Below(path, values), "has an integer beyond 64 bits, which is not supported: give a smaller one");
    }
  }
  bj::object flat;
  bool no_names = false;
  for (const auto& [key, value] : *object) {
    const std::string_view name = View(key);
    const std::string at = Below(path, name);
    if (name == "type") {
      BATUCADA_ASSIGN_OR_RETURN(flat["type"], ReadTypes(value, at));
    } else if (name == "const") {
      flat["enum"] = flat.contains("enum") ? bj::value(bj::array()) : bj::value(bj::array{value});
    } else if (name == "enum") {
      if (!value.is_array()) return Refused(at, "must be a list");
      flat["enum"] = value;
    } else if (name == "propertyNames" && value.is_bool() && !value.get_bool()) {
      no_names = true;
    } else if (name == "$id" && depth > 0) {
      return Refused(at, "is not supported below the root: leave it out");
    } else if (name == "pattern" || name == "format") {
      if (!value.is_string()) return Refused(at, "must be a string");
      flat[key] = bj::array{value};
    } else if (IsListed(kHeldTo, name)) {
      flat[key] = value;
    } else if (name == "anyOf" || name == "oneOf") {
      if (!value.is_array() || value.get_array().empty()) return Refused(at, "must be a list of schemas");
      flat[name == "anyOf" ? kAnyOfs : kOneOfs].emplace_array().push_back(value);
    } else if (IsListed(kNotHeldTo, name)) {
      return Refused(at, "is not supported: an answer cannot be held to it. Leave it out, or say it otherwise");
    } else if (name == "uniqueItems") {
      if (!value.is_bool()) return Refused(at, "must be true or false");
      if (value.get_bool()) flat[key] = value;
    } else if (name == kExcept || name == kNotPatterns || name == kQuietly) {  // of Negated's and AddConditions'
      if (value.is_array()) flat[key] = value;
    } else if (name == kNotWhole || name == kNarrowed) {
      flat[key] = value;
    } else if (!IsListed(kAnnotations, name) && name.starts_with("$") && name != "$ref") {
      return Refused(at, "is not known");
    }
  }
  if (no_names) flat["maxProperties"] = 0;
  if (object->contains("const") && object->contains("enum")) {
    const bj::value& wanted = object->at("const");
    if (!budget_.Spend(SizeOf(wanted) * SizeOf(object->at("enum"))))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    const bj::array& list = object->at("enum").get_array();
    flat["enum"] = std::find(list.begin(), list.end(), wanted) == list.end() ? bj::array() : bj::array{wanted};
  }
  if (const bj::value* reference = object->if_contains("$ref")) {
    const std::string at = Below(path, "$ref");
    BATUCADA_ASSIGN_OR_RETURN(const bj::value* target, Resolve(*reference, at));
    BATUCADA_ASSIGN_OR_RETURN(const bj::object other, Flatten(*target, at, depth + 1));
    BATUCADA_ASSIGN_OR_RETURN(flat, Merge(std::move(flat), other, path));
  }
  if (const bj::value* all = object->if_contains("allOf")) {
    if (!all->is_array()) return Refused(Below(path, "allOf"), "must be a list of schemas");
    for (size_t i = 0; i < all->get_array().size(); ++i) {
      const std::string at = Concat(path, ".allOf[", i, "]");
      BATUCADA_ASSIGN_OR_RETURN(const bj::object other, Flatten(all->get_array()[i], at, depth + 1));
      BATUCADA_ASSIGN_OR_RETURN(flat, Merge(std::move(flat), other, at));
    }
  }
  BATUCADA_ASSIGN_OR_RETURN(flat, AddConditions(std::move(flat), *object, path, depth));
  // Last: it is about what all the others leave. Those that say true leave nothing open.
  for (const auto& [keyword, pending] :
       {std::pair("unevaluatedProperties", kUnevaluatedProperties), std::pair("unevaluatedItems", kUnevaluatedItems)}) {
    const bj::value* value = object->if_contains(keyword);
    if (value == nullptr || (value->is_bool() && value->get_bool())) continue;
    if (!flat.contains(pending)) flat[pending] = *value;
  }
  return flat;
}

}  // namespace batucada::grammar
