#include "text/grammar/schema_flatten.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int kMaxDepth = 64;

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
                                        "pattern",
                                        "format",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "multipleOf"};
// Change which values are valid, and are not held to.
constexpr std::string_view kNotHeldTo[] = {
    "not",      "if",          "then",        "else",        "dependentRequired", "dependentSchemas", "dependencies",
    "contains", "minContains", "maxContains", "$dynamicRef", "$recursiveRef",     "additionalItems",  "extends",
    "disallow", "divisibleBy"};

template <typename List>
bool Has(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}
std::string_view View(const bj::string_view text) { return {text.data(), text.size()}; }

bool IsSmall(const bj::value& v) { return v.is_int64() && v.get_int64() > 0 && v.get_int64() < 10'000; }

// No deeper than its parts, however many are put together.
bj::value Both(const bj::value& a, const bj::value& b) {
  if (a == b || (b.is_bool() && b.get_bool())) return a;
  if (a.is_bool()) return a.get_bool() ? b : a;
  if (b.is_bool()) return b;
  const bj::object* all = a.if_object();
  if (all != nullptr && all->size() == 1 && all->contains("allOf") && all->at("allOf").is_array()) {
    bj::array parts = all->at("allOf").get_array();
    parts.push_back(b);
    return bj::object{{"allOf", std::move(parts)}};
  }
  return bj::object{{"allOf", bj::array{a, b}}};
}

int64_t Lists(const bj::value& a, const bj::value& b) {
  return a.is_array() && b.is_array() ? static_cast<int64_t>(a.get_array().size() * b.get_array().size()) : 0;
}

// Types that are in both, where whole numbers are numbers.
bj::array CommonTypes(const bj::array& a, const bj::array& b) {
  bj::array common;
  const auto holds = [](const bj::array& list, std::string_view type) {
    return std::any_of(list.begin(), list.end(), [&](const bj::value& v) { return View(v.get_string()) == type; });
  };
  for (const bj::value& type : a) {
    const std::string_view name = View(type.get_string());
    if (holds(b, name) || (name == "integer" && holds(b, "number"))) {
      common.push_back(type);
    } else if (name == "number" && holds(b, "integer")) {
      common.emplace_back("integer");
    }
  }
  return common;
}

absl::StatusOr<bj::array> ReadTypes(const bj::value& type, const std::string& path) {
  constexpr std::string_view kTypes[] = {"null", "boolean", "object", "array", "number", "integer", "string"};
  const bj::array types = type.is_array() ? type.get_array() : bj::array{type};
  for (const bj::value& one : types) {
    if (!one.is_string() || !Has(kTypes, View(one.get_string()))) return Refused(path, "is no type of JSON Schema");
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

absl::Status Refused(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(Concat(path, " ", what));
}

absl::StatusOr<const bj::value*> SchemaFlattener::Resolve(const bj::value& reference, const std::string& path) const {
  if (!reference.is_string()) return Refused(path, "must be a string");
  std::string_view pointer = View(reference.get_string());
  const auto nothing = [&] {
    return Refused(path, Concat("refers to ", Printable(pointer),
                                ", which is not in this schema: only #, #/… and names of "
                                "$anchor do"));
  };
  if (pointer == "#") return &root_;
  if (!pointer.starts_with("#/")) return nothing();
  const bj::value* at = &root_;
  for (size_t begin = 2; begin <= pointer.size();) {
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
    if (at == nullptr) return nothing();
    begin = end + 1;
  }
  return at;
}

absl::StatusOr<bj::object> SchemaFlattener::Flatten(const bj::value& schema, const std::string& path, int depth) {
  if (depth > kMaxDepth) return Refused(path, "is nested too deeply, or refers to itself without end");
  if (const bool* always = schema.if_bool()) {
    return *always ? bj::object() : bj::object{{kNothing, true}};
  }
  const bj::object* object = schema.if_object();
  if (object == nullptr) return Refused(path, "must be a schema: an object, true or false");
  if (!budget_.Spend(10 + SizeOf(schema))) return Refused("$", "is too complex");
  bj::object flat;
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
      return Refused(at, "is false: no object but {} has such names. Say maxProperties 0");
    } else if (name == "$id" && depth > 0) {
      return Refused(at, "is not supported below the root: leave it out");
    } else if (Has(kHeldTo, name)) {
      flat[key] = value;
    } else if (name == "anyOf" || name == "oneOf") {
      if (!value.is_array() || value.get_array().empty()) return Refused(at, "must be a list of schemas");
      flat[name == "anyOf" ? kAnyOfs : kOneOfs] = bj::array{value};
    } else if (Has(kNotHeldTo, name)) {
      return Refused(at, "is not supported: an answer cannot be held to it. Leave it out, or say it otherwise");
    } else if (name == "uniqueItems" && !(value.is_bool() && !value.get_bool())) {
      return Refused(at, "is not supported: an answer cannot be held to it. Leave it out");
    } else if (name == "unevaluatedProperties" || name == "unevaluatedItems") {
      if (value.is_bool() && value.get_bool()) continue;
      // What other schemas at this place evaluate is not followed.
      const auto beside = [object](const char* other) { return object->contains(other); };
      if (!value.is_bool() || beside("$ref") || beside("allOf") || beside("anyOf") || beside("oneOf")) {
        return Refused(at, "is supported as false only, and not beside $ref, allOf, anyOf or oneOf");
      }
      const char* const own = name == "unevaluatedItems" ? "items" : "additionalProperties";
      if (!object->contains(own)) flat[own] = false;
    } else if (!Has(kAnnotations, name) && name.starts_with("$") && name != "$ref") {
      return Refused(at, "is not known");
    }
  }
  if (object->contains("const") && object->contains("enum")) {
    const bj::value& wanted = object->at("const");
    if (!budget_.Spend(SizeOf(wanted) * SizeOf(object->at("enum")))) return Refused("$", "is too complex");
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
  return flat;
}

absl::StatusOr<bj::object> SchemaFlattener::Merge(bj::object a, const bj::object& b, const std::string& path) {
  // All of it may be copied, and lists are held against each other.
  int64_t steps = 10;
  for (const auto& member : a) steps += SizeOf(member.value());
  for (const auto& [key, value] : b) {
    const bj::value* mine = a.if_contains(key);
    steps += SizeOf(value) + (mine != nullptr ? Lists(*mine, value) : 0);
  }
  if (!budget_.Spend(steps)) return Refused("$", "is too complex");
  if (a.empty()) return b;
  // What items says depends on the prefixItems beside it.
  const auto names_items = [](const bj::object& o) { return o.contains("items") || o.contains("prefixItems"); };
  if ((a.contains("prefixItems") || b.contains("prefixItems")) && names_items(a) && names_items(b)) {
    const auto same = [&](const char* key) {
      const bj::value *mine = a.if_contains(key), *theirs = b.if_contains(key);
      return mine == nullptr || theirs == nullptr ? mine == theirs : *mine == *theirs;
    };
    if (!same("items") || !same("prefixItems")) {
      return Refused(Below(path, "prefixItems"), "is not supported beside another schema's items");
    }
  }
  // What one says of properties that it does not name holds for those that the other does.
  const auto names_objects = [](const bj::object& o) {
    return o.contains("properties") || o.contains("additionalProperties");
  };
  if (names_objects(a) && names_objects(b)) {
    if (a.contains("patternProperties") || b.contains("patternProperties")) {
      return Refused(Below(path, "patternProperties"), "is not supported beside another schema's properties");
    }
    const auto of = [](const bj::object& o, bj::string_view name) -> bj::value {
      const bj::value* properties = o.if_contains("properties");
      const bj::value* found =
          properties != nullptr && properties->is_object() ? properties->get_object().if_contains(name) : nullptr;
      if (found != nullptr) return *found;
      const bj::value* others = o.if_contains("additionalProperties");
      return others != nullptr ? *others : bj::value(true);
    };
    bj::object properties;
    for (const bj::object* side : {&std::as_const(a), &b}) {
      const bj::value* own = side->if_contains("properties");
      if (own == nullptr) continue;
      if (!own->is_object()) return Refused(Below(path, "properties"), "must be an object");
      for (const auto& member : own->get_object()) {
        if (!properties.contains(member.key()))
          properties[member.key()] = Both(of(a, member.key()), of(b, member.key()));
      }
    }
    a["properties"] = std::move(properties);
  }
  for (const auto& [key, value] : b) {
    const std::string_view name = View(key);
    if (name == "properties" && a.contains(key) && names_objects(b)) continue;
    bj::value* mine = a.if_contains(key);
    if (mine == nullptr) {
      a[key] = value;
      continue;
    }
    if (*mine == value) continue;
    const auto smaller = [&](bool take_smaller) {
      const double x = mine->is_number() ? mine->to_number<double>() : 0,
                   y = value.is_number() ? value.to_number<double>() : 0;
      if ((y < x) == take_smaller) *mine = value;
    };
    if (name == "type") {
      bj::array common = CommonTypes(mine->get_array(), value.get_array());
      if (common.empty()) return bj::object{{kNothing, true}};
      *mine = std::move(common);
    } else if (name == "enum") {
      bj::array common;
      for (const bj::value& one : mine->get_array()) {
        if (std::find(value.get_array().begin(), value.get_array().end(), one) != value.get_array().end())
          common.push_back(one);
      }
      *mine = std::move(common);
    } else if (name == "required" && mine->is_array() && value.is_array()) {
      for (const bj::value& one : value.get_array()) {
        bj::array& list = mine->get_array();
        if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
      }
    } else if (name == kAnyOfs || name == kOneOfs) {
      mine->get_array().insert(mine->get_array().end(), value.get_array().begin(), value.get_array().end());
    } else if (name == "items" || name == "additionalProperties" || name == "propertyNames") {
      *mine = Both(*mine, value);
    } else if (name == "maximum" || name == "exclusiveMaximum" || name == "maxLength" || name == "maxItems" ||
               name == "maxProperties") {
      smaller(true);
    } else if (name == "minimum" || name == "exclusiveMinimum" || name == "minLength" || name == "minItems" ||
               name == "minProperties") {
      smaller(false);
    } else if (name == "multipleOf" && IsSmall(*mine) && IsSmall(value)) {
      *mine = std::lcm(mine->get_int64(), value.get_int64());
    } else if (name != kNothing) {
      return Refused(Below(path, name), "must hold together with another of its kind, which is not supported");
    }
  }
  return a;
}

}  // namespace batucada::grammar
