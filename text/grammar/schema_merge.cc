#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"
#include "text/grammar/schema_numbers.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

bool IsSmall(const bj::value& v) { return v.is_int64() && v.get_int64() > 0 && v.get_int64() < 10'000; }

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

bool IsAmong(std::initializer_list<std::string_view> list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}
bool HasAny(const bj::object& flat, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return flat.contains(name); });
}

// What a pending unevaluatedProperties or unevaluatedItems says holds for what its own schema leaves; what another
// schema says at the same place is none of its business, and here would be taken for it.
const char* Confused(const bj::object& a, const bj::object& b) {
  const bool ways = HasAny(b, {kAnyOfs, kOneOfs});
  if (a.contains(kUnevaluatedProperties) &&
      (ways ||
       HasAny(b, {"properties", "patternProperties", "additionalProperties", kObjects, kUnevaluatedProperties}))) {
    return "unevaluatedProperties";
  }
  if (a.contains(kUnevaluatedItems) && (ways || HasAny(b, {"items", "prefixItems", kContains, kUnevaluatedItems}))) {
    return "unevaluatedItems";
  }
  return nullptr;
}

// Appends what is not there yet.
void Append(bj::array& list, const bj::array& others) {
  for (const bj::value& one : others) {
    if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
  }
}

constexpr const char* kOfObjects[] = {"properties", "patternProperties", "additionalProperties"};

bool IsOfObjects(std::string_view keyword) {
  return keyword == kObjects ||
         std::find(std::begin(kOfObjects), std::end(kOfObjects), keyword) != std::end(kOfObjects);
}
// Whether one of them says nothing of members, or both the same.
bool SameMembers(const bj::object& a, const bj::object& b) {
  const auto silent = [](const bj::object& o) { return !HasAny(o, {kOfObjects[0], kOfObjects[1], kOfObjects[2]}); };
  return silent(a) || silent(b) || std::all_of(std::begin(kOfObjects), std::end(kOfObjects), [&](const char* keyword) {
           const bj::value *mine = a.if_contains(keyword), *theirs = b.if_contains(keyword);
           return mine == nullptr || theirs == nullptr ? mine == theirs : *mine == *theirs;
         });
}

// What several schemas say of an object's members, each for itself: takes them out of `flat`.
bj::array TakeObjects(bj::object& flat) {
  bj::array all;
  if (bj::value* more = flat.if_contains(kObjects)) {
    all = std::move(more->get_array());
    flat.erase(kObjects);
  }
  bj::object own;
  for (const char* keyword : kOfObjects) {
    if (bj::value* value = flat.if_contains(keyword)) {
      own[keyword] = std::move(*value);
      flat.erase(keyword);
    }
  }
  if (!own.empty()) all.push_back(std::move(own));
  return all;
}

// What a schema says of the item at that place, or behind all of its prefix.
const bj::value* ItemAt(const bj::object& flat, size_t at) {
  const bj::value* prefix = flat.if_contains("prefixItems");
  if (prefix != nullptr && prefix->is_array() && at < prefix->get_array().size()) return &prefix->get_array()[at];
  return flat.if_contains("items");
}

void MergePrefixes(bj::object& a, const bj::object& b) {
  size_t size = 0;
  for (const bj::object* one : {&std::as_const(a), &b}) {
    const bj::value* prefix = one->if_contains("prefixItems");
    if (prefix != nullptr) size = std::max(size, prefix->get_array().size());
  }
  bj::array merged;
  for (size_t i = 0; i < size; ++i) {
    const bj::value *mine = ItemAt(a, i), *theirs = ItemAt(b, i);
    merged.push_back(
        BothSchemas(mine == nullptr ? bj::value(true) : *mine, theirs == nullptr ? bj::value(true) : *theirs));
  }
  a["prefixItems"] = std::move(merged);
}

}  // namespace

// No deeper than its parts, however many are put together.
bj::value BothSchemas(const bj::value& a, const bj::value& b) {
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

absl::Status Settle(bj::object& flat, const std::string& path) {
  if (bj::value* pending = flat.if_contains(kUnevaluatedProperties)) {
    bj::value others = std::move(*pending);
    flat.erase(kUnevaluatedProperties);
    if (!flat.contains(kObjects)) {
      if (!flat.contains("additionalProperties")) flat["additionalProperties"] = std::move(others);
    } else {
      // One more schema: it says nothing of names that any of them sees.
      bj::array all = TakeObjects(flat);
      bj::object seen, patterns;
      bool open = false;
      for (const bj::value& one : all) {
        for (const auto& [keyword, names] :
             {std::pair("properties", &seen), std::pair("patternProperties", &patterns)}) {
          const bj::value* own = one.get_object().if_contains(keyword);
          if (own == nullptr) continue;
          if (!own->is_object()) return Refused(Below(path, keyword), "must be an object");
          for (const auto& member : own->get_object()) (*names)[member.key()] = true;
        }
        open = open || one.get_object().contains("additionalProperties");
      }
      if (!open) {
        all.push_back(bj::object{{"properties", std::move(seen)},
                                 {"patternProperties", std::move(patterns)},
                                 {"additionalProperties", std::move(others)}});
      }
      flat[kObjects] = std::move(all);
    }
  }
  if (bj::value* pending = flat.if_contains(kUnevaluatedItems)) {
    bj::value others = std::move(*pending);
    flat.erase(kUnevaluatedItems);
    bj::value* contains = flat.if_contains(kContains);
    if (flat.contains("items")) return absl::OkStatus();
    if (contains == nullptr) {
      flat["items"] = std::move(others);
      return absl::OkStatus();
    }
    for (bj::value& one : contains->get_array()) one.get_object()["claims"] = true;
    const bj::value* prefix = flat.if_contains("prefixItems");
    const size_t from = prefix != nullptr && prefix->is_array() ? prefix->get_array().size() : 0;
    flat[kUnclaimed] = bj::object{{"schema", std::move(others)}, {"from", from}};
  }
  return absl::OkStatus();
}

absl::StatusOr<bj::object> SchemaFlattener::Merge(bj::object a, const bj::object& b, const std::string& path,
                                                  Scope scope) {
  // All of it may be copied, and lists are held against each other.
  int64_t steps = 10;
  size_t properties = 0;
  for (const bj::object* one : {&std::as_const(a), &b}) {
    const bj::value* own = one->if_contains("properties");
    if (own != nullptr && own->is_object()) properties += own->get_object().size();
  }
  steps += StepsOfNaming(properties);
  for (const auto& member : a) steps += SizeOf(member.value());
  for (const auto& [key, value] : b) {
    const bj::value* mine = a.if_contains(key);
    steps += SizeOf(value) + (mine != nullptr ? Lists(*mine, value) : 0);
  }
  if (!budget_.Spend(steps))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  if (a.empty()) return b;
  // What its own schema leaves is known once there are no alternatives; b's may then stand beside a.
  bj::object settled;
  const bj::object* other = &b;
  const auto is_pending = [](const bj::object& o) { return HasAny(o, {kUnevaluatedProperties, kUnevaluatedItems}); };
  if (is_pending(b) && !HasAny(b, {kAnyOfs, kOneOfs})) {
    settled = b;
    BATUCADA_RETURN_IF_ERROR(Settle(settled, path));
    other = &settled;
  }
  if (scope == Scope::kApart && is_pending(a) && !HasAny(a, {kAnyOfs, kOneOfs})) {
    BATUCADA_RETURN_IF_ERROR(Settle(a, path));
  }
  const char* confused = Confused(*other, a);
  if (confused == nullptr && scope == Scope::kApart) confused = Confused(a, *other);
  if (confused != nullptr) {
    return Refused(Below(path, confused), "is not supported beside what other schemas say of the same value");
  }
  return MergeSettled(std::move(a), *other, path);
}

absl::StatusOr<bj::object> SchemaFlattener::MergeSettled(bj::object a, const bj::object& b, const std::string& path) {
  const bool prefixes = a.contains("prefixItems") || b.contains("prefixItems");
  for (const bj::object* one : {&std::as_const(a), &b}) {
    const bj::value* prefix = one->if_contains("prefixItems");
    if (prefix != nullptr && !prefix->is_array())
      return Refused(Below(path, "prefixItems"), "must be a list of schemas");
  }
  if (prefixes) MergePrefixes(a, b);
  // What one says of properties that it does not name holds for those that the other does.
  const auto names_objects = [](const bj::object& o) {
    return o.contains("properties") || o.contains("additionalProperties");
  };
  const bool apart = HasAny(a, {"patternProperties", kObjects}) || HasAny(b, {"patternProperties", kObjects});
  if (apart && (HasAny(a, {kObjects}) || HasAny(b, {kObjects}) || !SameMembers(a, b))) {
    bj::object others = b;
    bj::array all = TakeObjects(a);
    Append(all, TakeObjects(others));
    if (!all.empty()) a[kObjects] = std::move(all);
  } else if (!apart && names_objects(a) && names_objects(b)) {
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
          properties[member.key()] = BothSchemas(of(a, member.key()), of(b, member.key()));
      }
    }
    a["properties"] = std::move(properties);
  }
  for (const auto& [key, value] : b) {
    const std::string_view name = View(key);
    if (name == "properties" && a.contains(key) && names_objects(b)) continue;
    if (name == "prefixItems" || (a.contains(kObjects) && IsOfObjects(name))) continue;  // see above
    bj::value* mine = a.if_contains(key);
    if (mine == nullptr) {
      a[key] = value;
      continue;
    }
    if (*mine == value) continue;
    const auto smaller = [mine, &other = value](bool take_smaller) {
      const ExactNumber x = mine->is_number() ? ExactOf(*mine) : 0, y = other.is_number() ? ExactOf(other) : 0;
      if ((y < x) == take_smaller) *mine = other;
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
    } else if (IsAmong({kExcept, kQuietly, kContains, kNotPatterns, "pattern", "format"}, name) && mine->is_array() &&
               value.is_array()) {
      Append(mine->get_array(), value.get_array());
    } else if (name == "required" && mine->is_array() && value.is_array()) {
      Append(mine->get_array(), value.get_array());
    } else if (name == kAnyOfs || name == kOneOfs) {
      mine->get_array().insert(mine->get_array().end(), value.get_array().begin(), value.get_array().end());
    } else if (name == "items" || name == "additionalProperties" || name == "propertyNames") {
      *mine = BothSchemas(*mine, value);
    } else if (name == "maximum" || name == "exclusiveMaximum" || name == "maxLength" || name == "maxItems" ||
               name == "maxProperties") {
      smaller(true);
    } else if (name == "minimum" || name == "exclusiveMinimum" || name == "minLength" || name == "minItems" ||
               name == "minProperties") {
      smaller(false);
    } else if (name == "multipleOf" && IsSmall(*mine) && IsSmall(value)) {
      *mine = std::lcm(mine->get_int64(), value.get_int64());
    } else if (name != kNothing && name != kNoOtherTypes) {
      return Refused(Below(path, KeywordOf(name)),
                     "must hold together with another of its kind, which is not supported");
    }
  }
  return a;
}

}  // namespace batucada::grammar
