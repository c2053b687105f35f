#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

std::string_view View(const bj::string_view text) { return {text.data(), text.size()}; }

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

bool Has(const bj::object& flat, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return flat.contains(name); });
}

// What a pending unevaluatedProperties or unevaluatedItems says holds for what its own schema leaves; what another
// schema says at the same place is none of its business, and here would be taken for it.
const char* Confused(const bj::object& a, const bj::object& b) {
  const bool ways = Has(b, {kAnyOfs, kOneOfs});
  if (a.contains(kUnevaluatedProperties) &&
      (ways || Has(b, {"properties", "patternProperties", "additionalProperties", kUnevaluatedProperties}))) {
    return "unevaluatedProperties";
  }
  if (a.contains(kUnevaluatedItems) && (ways || Has(b, {"items", "prefixItems", kUnevaluatedItems}))) {
    return "unevaluatedItems";
  }
  return nullptr;
}

// Names of `flat` that it speaks of without looking at them, as unevaluatedProperties means it.
bool IsUnseen(const bj::object& flat, bj::string_view name) {
  const bj::value* unseen = flat.if_contains(kUnseen);
  const bj::array* list = unseen == nullptr ? nullptr : unseen->if_array();
  return list != nullptr && std::find(list->begin(), list->end(), bj::value(name)) != list->end();
}
bool Names(const bj::object& flat, bj::string_view name) {
  const bj::value* properties = flat.if_contains("properties");
  return properties != nullptr && properties->is_object() && properties->get_object().contains(name);
}
bj::array UnseenByBoth(const bj::object& a, const bj::object& b) {
  bj::array unseen;
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const bj::value* list = one->if_contains(kUnseen);
    for (const bj::value& name : list != nullptr && list->is_array() ? list->get_array() : bj::array()) {
      if (!name.is_string() || std::find(unseen.begin(), unseen.end(), name) != unseen.end()) continue;
      if (!Names(*other, name.get_string()) || IsUnseen(*other, name.get_string())) unseen.push_back(name);
    }
  }
  return unseen;
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
  const auto refused = [&](const char* keyword) {
    return Refused(Below(path, keyword), "is not supported beside what follows from not, or from else");
  };
  if (const bj::value* pending = flat.if_contains(kUnevaluatedProperties)) {
    const bj::value others = *pending;
    if (flat.contains(kQuiet)) return refused("unevaluatedProperties");
    const bj::value* unseen = flat.if_contains(kUnseen);
    bj::value* properties = flat.if_contains("properties");
    if (!flat.contains("additionalProperties")) {
      for (const bj::value& name : unseen != nullptr && unseen->is_array() ? unseen->get_array() : bj::array()) {
        if (properties == nullptr || !properties->is_object() || !name.is_string()) continue;
        bj::value* property = properties->get_object().if_contains(name.get_string());
        if (property != nullptr) *property = BothSchemas(*property, others);
      }
      flat["additionalProperties"] = others;
    }
    flat.erase(kUnevaluatedProperties);
  }
  if (const bj::value* pending = flat.if_contains(kUnevaluatedItems)) {
    if (flat.contains(kQuiet)) return refused("unevaluatedItems");
    if (!flat.contains("items")) {
      bj::value others = *pending;
      flat["items"] = std::move(others);
    }
    flat.erase(kUnevaluatedItems);
  }
  return absl::OkStatus();
}

absl::StatusOr<bj::object> SchemaFlattener::Merge(bj::object a, const bj::object& b, const std::string& path,
                                                  Scope scope) {
  // All of it may be copied, and lists are held against each other.
  int64_t steps = 10;
  for (const auto& member : a) steps += SizeOf(member.value());
  for (const auto& [key, value] : b) {
    const bj::value* mine = a.if_contains(key);
    steps += SizeOf(value) + (mine != nullptr ? Lists(*mine, value) : 0);
  }
  if (!budget_.Spend(steps)) return Refused("$", "is too complex");
  if (a.empty()) return b;
  // What its own schema leaves is known once there are no alternatives; b's may then stand beside a.
  bj::object settled;
  const bj::object* other = &b;
  const auto is_pending = [](const bj::object& o) { return Has(o, {kUnevaluatedProperties, kUnevaluatedItems}); };
  if (is_pending(b) && !Has(b, {kAnyOfs, kOneOfs})) {
    settled = b;
    BATUCADA_RETURN_IF_ERROR(Settle(settled, path));
    other = &settled;
  }
  if (scope == Scope::kApart && is_pending(a) && !Has(a, {kAnyOfs, kOneOfs})) {
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
  if (a.contains(kUnseen) || b.contains(kUnseen)) {
    bj::array unseen = UnseenByBoth(a, b);
    a[kUnseen] = std::move(unseen);
  }
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
          properties[member.key()] = BothSchemas(of(a, member.key()), of(b, member.key()));
      }
    }
    a["properties"] = std::move(properties);
  }
  for (const auto& [key, value] : b) {
    const std::string_view name = View(key);
    if (name == "properties" && a.contains(key) && names_objects(b)) continue;
    if (name == kUnseen || name == "prefixItems") continue;  // see above
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
    } else if (name == kExcept && mine->is_array() && value.is_array()) {
      mine->get_array().insert(mine->get_array().end(), value.get_array().begin(), value.get_array().end());
    } else if (name == "required" && mine->is_array() && value.is_array()) {
      for (const bj::value& one : value.get_array()) {
        bj::array& list = mine->get_array();
        if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
      }
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
    } else if (name != kNothing && name != kQuiet) {
      return Refused(Below(path, name == kContains ? "contains" : name),
                     "must hold together with another of its kind, which is not supported");
    }
  }
  return a;
}

}  // namespace batucada::grammar
