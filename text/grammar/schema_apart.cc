// Alternatives of a oneOf, of which a value must satisfy one and no second: which of them exclude each other, and what
// must hold beside the others so that they do.
#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/serialize.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_reader.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;
using Scope = SchemaFlattener::Scope;

constexpr int kMostLookedInto = 4;  // alternatives, properties and negations within each other

absl::Status TooComplex(const std::string& at) {
  return Refused(
      at,
      "has too many alternatives to hold each against the others: use anyOf, or give all a required property "
      "of one name, with a const of its own in each");
}

bool IsFalse(const bj::value* value) { return value != nullptr && value->is_bool() && !value->get_bool(); }

const bj::value* PropertyOf(const bj::object& flat, bj::string_view name) {
  const bj::value* properties = flat.if_contains("properties");
  return properties != nullptr && properties->is_object() ? properties->get_object().if_contains(name) : nullptr;
}

bj::array RequiredOf(const bj::object& flat) {
  const bj::value* names = flat.if_contains("required");
  bj::array strings;
  for (const bj::value& name : names != nullptr && names->is_array() ? names->get_array() : bj::array()) {
    if (name.is_string()) strings.push_back(name);
  }
  return strings;
}

// Whether its own schema lets it have no members that it does not name.
bool IsClosed(const bj::object& flat) {
  return IsFalse(flat.if_contains("additionalProperties")) && !flat.contains("patternProperties") &&
         !flat.contains(kObjects);
}
// Whether none are made, as long as nothing else asks for some. REQUIRES: it has no alternatives.
bool IsMadeClosed(const bj::object& flat) {
  const bj::value *more = flat.if_contains("additionalProperties"), *left = flat.if_contains(kUnevaluatedProperties);
  return flat.contains("properties") && (more == nullptr || IsFalse(more)) && (left == nullptr || IsFalse(left)) &&
         !flat.contains("patternProperties") && !flat.contains(kObjects);
}

// Whether a value may be of both types, of numbers where these are not whole.
bool Meet(std::string_view a, bool a_broken, std::string_view b, bool b_broken) {
  if (a == b) return true;
  return (a == "number" && b == "integer" && !a_broken) || (a == "integer" && b == "number" && !b_broken);
}

// The values that a property may have, as texts, if it is one of a few that have no parts; none otherwise.
std::vector<std::string> TagsOf(const bj::object& property) {
  std::vector<std::string> tags;
  const bj::value* values = property.if_contains("enum");
  for (const bj::value& value : values != nullptr ? values->get_array() : bj::array()) {
    if (value.is_object() || value.is_array()) return {};
    tags.push_back(bj::serialize(value));
  }
  return tags;
}

}  // namespace

absl::StatusOr<bj::object> SchemaReader::Without(Flat flat, const bj::value& schema, const std::string& path) {
  BATUCADA_ASSIGN_OR_RETURN(bj::value other, flattener_.Negated(schema, path));
  bj::array quiet;
  quiet.push_back(std::move(other));
  Flat also;
  also[kQuietly] = std::move(quiet);
  return flattener_.Merge(std::move(flat), also, path, Scope::kWay);
}

void SchemaReader::PinTypes(Flat& flat) {
  if (!flat.contains(kNoOtherTypes)) return;
  for (const char* other : {"type", "enum", kAnyOfs, kOneOfs, kNothing}) {
    if (flat.contains(other)) return;
  }
  bj::array types;
  for (const std::string& type : TypesOf(flat)) types.emplace_back(type);
  if (!types.empty()) flat["type"] = std::move(types);
}

absl::StatusOr<ExprId> SchemaReader::ReadOneOf(const bj::array& list, const std::vector<Flat>& branches,
                                               const std::string& at, int depth) {
  // Made are values of the types that an alternative speaks of, where it names none; others may be valid, too.
  std::vector<Flat> made = branches;
  for (Flat& branch : made) {
    branch[kNoOtherTypes] = true;
    PinTypes(branch);
  }
  const bool within_another = !branches.empty() && branches[0].contains(kNoOtherTypes);
  const std::vector<std::vector<size_t>> rivals = Rivals(made);
  if (budget_.spent()) return TooComplex(at);
  std::vector<ExprId> ways;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string here = Concat(at, "[", i, "]");
    BATUCADA_ASSIGN_OR_RETURN(Flat apart, HoldApart(made[i], i, rivals[i], list, branches, at));
    BATUCADA_ASSIGN_OR_RETURN(ExprId way, ReadFlat(std::move(apart), here, depth + 1));
    if (way == kNoText && made[i].contains("type") && !branches[i].contains("type") && !within_another) {
      // Those of other types are left, as far as they can be held apart.
      std::vector<size_t> all(list.size());
      std::iota(all.begin(), all.end(), size_t{0});
      std::erase(all, i);
      absl::StatusOr<Flat> held = HoldApart(branches[i], i, all, list, branches, at);
      const absl::StatusOr<ExprId> some = held.ok() ? ReadFlat(*std::move(held), here, depth + 1) : held.status();
      if (some.ok()) way = *some;
    }
    if (budget_.spent()) return TooComplex(at);
    ways.push_back(way);
  }
  return e_.Choice(std::move(ways));
}

absl::StatusOr<bj::object> SchemaReader::HoldApart(Flat branch, size_t i, const std::vector<size_t>& rivals,
                                                   const bj::array& list, const std::vector<Flat>& branches,
                                                   const std::string& at) {
  const auto hold_apart = [&](size_t k) -> absl::Status {
    absl::StatusOr<Flat> apart = Without(std::move(branch), list[k], Concat(at, "[", k, "]"));
    if (budget_.spent()) return TooComplex(at);
    if (!apart.ok()) {
      return Refused(at, Concat("has alternatives ", std::min(i, k), " and ", std::max(i, k),
                                " that one value might satisfy both, which an answer cannot be held to: use anyOf, or "
                                "give each a required property with a const of its own"));
    }
    branch = *std::move(apart);
    return absl::OkStatus();
  };
  if (budget_.spent()) return TooComplex(at);
  std::vector<size_t> as_made;
  const Flat alone = branch;
  bool changed = false;
  for (const size_t k : rivals) {
    const Apart apart = IsApart(alone, branches[k], 0);
    if (apart == Apart::kAlways) continue;
    if (apart == Apart::kAsMade) {
      as_made.push_back(k);
      continue;
    }
    BATUCADA_RETURN_IF_ERROR(hold_apart(k));
    changed = true;
  }
  // What is not to satisfy one alternative may need members that it had not, and satisfy another by these.
  while (changed) {
    changed = false;
    std::vector<size_t> still;
    for (const size_t k : as_made) {
      if (IsApart(branch, branches[k], 0) != Apart::kNot) {
        still.push_back(k);
        continue;
      }
      BATUCADA_RETURN_IF_ERROR(hold_apart(k));
      changed = true;
    }
    as_made = std::move(still);
  }
  return branch;
}

std::vector<std::vector<size_t>> SchemaReader::Rivals(const std::vector<Flat>& branches) {
  // The property that tells most of them apart, such as the const of a discriminated union: each pair need not be
  // looked at. Objects that must have one of some values there, and others that must have one of others.
  std::vector<absl::flat_hash_map<std::string, std::vector<std::string>>> tags(branches.size());
  absl::flat_hash_map<std::string, size_t> tagged;
  std::string property;
  for (size_t i = 0; i < branches.size(); ++i) {
    const bj::value* types = branches[i].if_contains("type");
    if (types == nullptr || types->get_array() != bj::array{"object"}) continue;
    const bj::array required = RequiredOf(branches[i]);
    if (!budget_.Spend(1 + StepsOfNaming(required.size()))) return {};
    for (const bj::value& name : required) {
      const bj::value* schema = PropertyOf(branches[i], name.get_string());
      const absl::StatusOr<Flat> flat = schema == nullptr ? Flat() : flattener_.Flatten(*schema, "$");
      std::vector<std::string> some = flat.ok() ? TagsOf(*flat) : std::vector<std::string>();
      if (some.empty()) continue;
      std::string text(View(name.get_string()));
      const size_t count = ++tagged[text];
      if (property.empty() || count > tagged[property]) property = text;
      tags[i].insert_or_assign(std::move(text), std::move(some));
    }
  }
  absl::flat_hash_map<std::string, std::vector<size_t>> by_tag;
  std::vector<size_t> all(branches.size()), others;
  std::iota(all.begin(), all.end(), size_t{0});
  for (size_t i = 0; i < branches.size(); ++i) {
    const auto found = tags[i].find(property);
    if (found == tags[i].end()) others.push_back(i);
    for (const std::string& tag : found == tags[i].end() ? std::vector<std::string>() : found->second) {
      by_tag[tag].push_back(i);
    }
  }
  std::vector<std::vector<size_t>> rivals(branches.size());
  for (size_t i = 0; i < branches.size(); ++i) {
    const auto found = tags[i].find(property);
    std::vector<size_t>& own = rivals[i];
    const auto add = [&](const std::vector<size_t>& some) {
      if (budget_.Spend(static_cast<int64_t>(some.size()))) own.insert(own.end(), some.begin(), some.end());
    };
    if (found == tags[i].end()) {
      add(all);
    } else {
      add(others);
      for (const std::string& tag : found->second) add(by_tag[tag]);
    }
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    std::erase(own, i);
  }
  return rivals;
}

SchemaReader::Apart SchemaReader::IsApart(const Flat& a, const Flat& b, int depth) {
  if (a.contains(kNothing) || b.contains(kNothing)) return Apart::kAlways;
  int64_t steps = 100;
  for (const Flat* one : {&a, &b}) {
    for (const auto& member : *one) steps += SizeOf(member.value());
  }
  if (depth > kMostLookedInto || !budget_.Spend(steps)) return Apart::kNot;
  if (a.contains(kQuietly) || b.contains(kQuietly)) {
    // What is pending would be settled wrongly, and of `b` more may be valid than what holds quietly leaves; without
    // these more is.
    const auto open = [&](Flat flat, bool narrowed) -> Flat {
      flat.erase(kUnevaluatedProperties);
      flat.erase(kUnevaluatedItems);
      if (!flat.contains(kQuietly)) return flat;
      if (!narrowed) {
        absl::StatusOr<Flat> all = WithQuiet(flat, "$");
        if (all.ok()) return *std::move(all);
      }
      flat.erase(kQuietly);
      flat["additionalProperties"].emplace_bool() = true;
      return flat;
    };
    const bj::value* left = a.if_contains(kUnevaluatedProperties);
    const Apart apart = IsApart(open(a, false), open(b, b.contains(kNarrowed)), depth + 1);
    // Members that are left may come.
    return left != nullptr && !IsFalse(left) && apart == Apart::kAsMade ? Apart::kNot : apart;
  }
  const bool alternatives = a.contains(kAnyOfs) || a.contains(kOneOfs);
  const Apart apart = IsApartByKeywords(a, b, !alternatives && IsMadeClosed(a), depth);
  if (apart != Apart::kNot) return apart;
  // Every alternative of either must be excluded: a single list is looked into.
  for (const char* kind : {kAnyOfs, kOneOfs}) {
    for (const bool left : {true, false}) {
      const Flat& one = left ? a : b;
      const bj::value* lists = one.if_contains(kind);
      if (lists == nullptr || lists->get_array().size() != 1) continue;
      Flat rest = one;
      rest.erase(kind);
      Apart least = Apart::kAlways;
      for (const bj::value& branch : lists->get_array()[0].get_array()) {
        const absl::StatusOr<Flat> flat = flattener_.Flatten(branch, "$");
        absl::StatusOr<Flat> merged = flat.ok() ? flattener_.Merge(rest, *flat, "$", Scope::kWay) : flat;
        if (!merged.ok()) return Apart::kNot;
        const bool named = merged->contains("type");
        if (left) PinTypes(*merged);
        // What else must hold may name other types first.
        if (named != merged->contains("type")) least = std::min(least, Apart::kAsMade);
        least = std::min(least, left ? IsApart(*merged, b, depth + 1) : IsApart(a, *merged, depth + 1));
        if (least == Apart::kNot) break;
      }
      return least;
    }
  }
  return Apart::kNot;
}

SchemaReader::Apart SchemaReader::IsApartByKeywords(const Flat& a, const Flat& b, bool closed, int depth) {
  const bj::value *values = a.if_contains("enum"), *others = b.if_contains("enum");
  for (const bj::value* list : {values, others}) {
    if (list != nullptr && list->get_array().empty()) return Apart::kAlways;
  }
  if (values != nullptr && others != nullptr) {
    const bj::array& list = others->get_array();
    if (!budget_.Spend(static_cast<int64_t>(list.size() * values->get_array().size()))) return Apart::kNot;
    const bool none = std::none_of(values->get_array().begin(), values->get_array().end(), [&](const bj::value& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    });
    return none ? Apart::kAlways : Apart::kNot;
  }
  // The types that they name; what they speak of beside these may be of any.
  const auto types_of = [](const Flat& flat, const bj::value* of_values) {
    std::vector<std::string> types;
    if (of_values != nullptr) {
      for (const bj::value& value : of_values->get_array()) types.emplace_back(TypeOf(value));
    } else if (flat.contains("type")) {
      types = TypesOf(flat);
    }
    return types;
  };
  const std::vector<std::string> types = types_of(a, values), allowed = types_of(b, others);
  if (types.empty()) return Apart::kNot;
  const bool broken = values != nullptr || a.contains(kNotWhole),
             others_broken = others != nullptr || b.contains(kNotWhole);
  Apart least = Apart::kAlways;
  for (const std::string& type : types) {
    const bool meets = allowed.empty() || std::any_of(allowed.begin(), allowed.end(), [&](const std::string& other) {
                         return Meet(type, broken, other, others_broken);
                       });
    if (!meets) continue;
    if (type != "object" || values != nullptr || others != nullptr) return Apart::kNot;
    least = std::min(least, AreMembersApart(a, b, closed, depth));
  }
  return least;
}

SchemaReader::Apart SchemaReader::AreMembersApart(const Flat& a, const Flat& b, bool closed, int depth) {
  const bj::array asked = RequiredOf(a), wanted = RequiredOf(b);
  if (!budget_.Spend(static_cast<int64_t>(asked.size() * wanted.size()) / 16 + StepsOfNaming(asked.size()) +
                     StepsOfNaming(wanted.size()))) {
    return Apart::kNot;
  }
  const bool is_closed = IsClosed(a);
  Apart best = Apart::kNot;
  // A property that b asks for and a never has, or has with values that b excludes.
  for (const bj::value& name : wanted) {
    const bj::value *mine = PropertyOf(a, name.get_string()), *theirs = PropertyOf(b, name.get_string());
    if (mine == nullptr) {
      const bool made = std::find(asked.begin(), asked.end(), name) != asked.end();
      best = std::max(best, is_closed ? Apart::kAlways : closed && !made ? Apart::kAsMade : Apart::kNot);
    } else if (theirs != nullptr) {
      const absl::StatusOr<Flat> x = flattener_.Flatten(*mine, "$"), y = flattener_.Flatten(*theirs, "$");
      if (x.ok() && y.ok()) best = std::max(best, IsApart(*x, *y, depth + 1));
    }
    if (best == Apart::kAlways) return best;
  }
  // One that a always has and b never.
  const bool never = IsClosed(b) && std::any_of(asked.begin(), asked.end(), [&](const bj::value& name) {
                       return PropertyOf(b, name.get_string()) == nullptr;
                     });
  return never ? Apart::kAlways : best;
}

}  // namespace batucada::grammar
