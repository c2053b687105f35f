// Arrays of a flat schema: lists, tuples, items that must be among them, and items that are all different.
#include <algorithm>
#include <bit>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_reader.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int64_t kMostCountStates = 600;  // of counts
constexpr size_t kMostContains = 4;        // each item is read as every subset of them
constexpr size_t kMostValues = 200;        // that are all different
constexpr size_t kMostInAnyOrder = 7;      // beyond, different values come in the schema's order
constexpr size_t kMostTuples = 500;
constexpr int kMaxItemsDepth = 8;

// One bound on how many items match a schema.
struct Counted {
  const bj::value* schema = nullptr;
  int32_t min = 0, max = kUnbounded;
  bool claims = false;
  int32_t most() const { return max == kUnbounded ? min : max; }  // that make a difference
};

}  // namespace

absl::StatusOr<ExprId> SchemaReader::ReadArray(const Flat& flat, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> least, Count(flat, "minItems", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> most, Count(flat, "maxItems", path));
  const int32_t min = least.value_or(0), max = most.value_or(kUnbounded);
  if (max != kUnbounded && min > max) return kNoText;
  ExprId item = kNoText;
  const bj::value *items = flat.if_contains("items"), *prefix = flat.if_contains("prefixItems");
  if (items != nullptr && items->is_array()) {
    return Refused(Below(path, "items"), "must be a schema: give lists of schemas as prefixItems");
  }
  if (prefix != nullptr && !prefix->is_array()) return Refused(Below(path, "prefixItems"), "must be a list of schemas");
  if (flat.contains("uniqueItems") && (max == kUnbounded || max > 1)) return ReadUnique(flat, path, depth);
  if (flat.contains(kContains) || flat.contains(kUnclaimed)) return ReadContains(flat, path, depth);
  if (items != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(item, Read(*items, Below(path, "items"), depth + 1));
  } else if (prefix == nullptr) {
    item = json_.Value();
  } else if (min > static_cast<int32_t>(prefix->get_array().size())) {
    item = json_.Value();  // others only where there must be some
  }
  if (prefix == nullptr) return json_.List({}, item, min, max);
  std::vector<ExprId> first;
  for (size_t i = 0; i < prefix->get_array().size(); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const ExprId one,
                              Read(prefix->get_array()[i], Concat(path, ".prefixItems[", i, "]"), depth + 1));
    first.push_back(one);
  }
  // Of every length that the bounds leave; all of the prefix where they leave it.
  std::vector<ExprId> ways;
  const auto fixed = static_cast<int32_t>(first.size());
  for (int32_t length = std::min(min, fixed); length < fixed && (max == kUnbounded || length <= max); ++length) {
    if (!budget_.Spend(length))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    const std::vector<ExprId> some(first.begin(), first.begin() + length);
    ways.push_back(some.empty() ? json_.List({}, kNoText, 0, 0) : json_.List(some, kNoText, 0, 0));
  }
  if (max == kUnbounded || fixed <= max) {
    ways.push_back(json_.List(first, item, std::max(0, min - fixed), max == kUnbounded ? max : max - fixed));
  }
  return e_.Choice(std::move(ways));
}

// A rule for each number of items read and of those that each contains has found; counts stop where more makes no
// difference. An item is read as any set of the contains finds it: that others might find it too is no matter, unless
// they have a maximum.
absl::StatusOr<ExprId> SchemaReader::ReadContains(const Flat& flat, const std::string& path, int depth) {
  const std::string at = Below(path, "contains");
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> least, Count(flat, "minItems", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> most, Count(flat, "maxItems", path));
  std::vector<Counted> counted;
  if (const bj::value* list = flat.if_contains(kContains)) {
    for (const bj::value& value : list->get_array()) {
      const bj::object& one = value.get_object();
      const bj::value* max = one.if_contains("max");
      counted.push_back({.schema = &one.at("schema"),
                         .min = static_cast<int32_t>(one.at("min").to_number<int64_t>()),
                         .max = max == nullptr ? kUnbounded : static_cast<int32_t>(max->to_number<int64_t>()),
                         .claims = one.contains("claims")});
      if (counted.back().max != kUnbounded && counted.back().min > counted.back().max) return kNoText;
    }
  }
  const bj::value *items = flat.if_contains("items"), *prefix = flat.if_contains("prefixItems"),
                  *unclaimed = flat.if_contains(kUnclaimed);
  const bj::array first = prefix == nullptr ? bj::array() : prefix->get_array();
  const size_t from = unclaimed == nullptr ? 0 : static_cast<size_t>(unclaimed->at("from").to_number<int64_t>());
  const size_t places = std::max(first.size(), from);  // behind them items are alike
  const auto lengths = std::max<int64_t>({1, static_cast<int64_t>(places), least.value_or(0), most.value_or(0)});
  int64_t states = lengths + 1;
  for (const Counted& one : counted) {
    states *= one.most() + 1;
    if (states > kMostCountStates) break;
  }
  if (counted.size() > kMostContains || states > kMostCountStates) {
    return Refused(at,
                   Concat("asks for too many counts: at most ", kMostContains, " of its kind, and ", kMostCountStates,
                          " numbers of items and of what it finds together. Give smaller bounds"));
  }
  std::vector<bj::value> misses(counted.size());
  for (size_t k = 0; k < counted.size(); ++k) {
    if (counted[k].max == kUnbounded) continue;
    BATUCADA_ASSIGN_OR_RETURN(misses[k], flattener_.Negated(*counted[k].schema, at));
  }
  // Items by place and by what finds them; kNoText where nothing is left.
  const uint32_t subsets = uint32_t{1} << counted.size();
  std::vector<std::vector<ExprId>> texts(places + 1, std::vector<ExprId>(subsets, kNoText));
  for (size_t place = 0; place < texts.size(); ++place) {
    for (uint32_t found = 0; found < subsets; ++found) {
      bj::value schema(true);
      if (place < first.size()) {
        schema = first[place];
      } else if (items != nullptr) {
        schema = *items;
      }
      bool claimed = unclaimed == nullptr || place < from;
      for (size_t k = 0; k < counted.size(); ++k) {
        const bool is_found = (found >> k & 1U) != 0;
        if (is_found) schema = BothSchemas(schema, *counted[k].schema);
        if (!is_found && counted[k].max != kUnbounded) schema = BothSchemas(schema, misses[k]);
        claimed = claimed || (is_found && counted[k].claims);
      }
      if (!claimed) schema = BothSchemas(schema, unclaimed->at("schema"));
      if (!budget_.Spend(SizeOf(schema)))
        return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
      BATUCADA_ASSIGN_OR_RETURN(texts[place][found], Read(schema, at, depth + 1));
    }
  }
  for (size_t k = 0; k < counted.size(); ++k) {
    const auto never = [&](const std::vector<ExprId>& at_place) {
      for (uint32_t found = 0; found < subsets; ++found) {
        if ((found >> k & 1U) != 0 && at_place[found] != kNoText) return false;
      }
      return true;
    };
    if (counted[k].min > 0 && std::all_of(texts.begin(), texts.end(), never)) return kNoText;
  }
  struct State {
    int64_t length = 0;
    std::vector<int32_t> counts;
  };
  const auto number = [&](const State& state) {
    int64_t id = state.length;
    for (size_t k = 0; k < counted.size(); ++k) id = id * (counted[k].most() + 1) + state.counts[k];
    return static_cast<size_t>(id);
  };
  std::vector<std::optional<RuleId>> rules(static_cast<size_t>(states));
  std::vector<State> open;
  const auto rule_of = [&](const State& state) {
    std::optional<RuleId>& rule = rules[number(state)];
    if (!rule) {
      rule = e_.NewRule();
      open.push_back(state);
    }
    return *rule;
  };
  const ExprId start = e_.Reference(rule_of({0, std::vector<int32_t>(counted.size(), 0)}));
  const ExprId comma = json_.Comma();
  while (!open.empty()) {
    const State state = std::move(open.back());
    open.pop_back();
    const RuleId rule = *rules[number(state)];
    std::vector<ExprId> ways;
    bool may_end = state.length >= least.value_or(0);
    for (size_t k = 0; k < counted.size(); ++k) may_end = may_end && state.counts[k] >= counted[k].min;
    if (may_end) ways.push_back(kEmptyText);
    const size_t place = std::min(static_cast<size_t>(state.length), places);
    for (uint32_t found = 0; found < subsets && !(most && state.length >= *most); ++found) {
      if (!budget_.Spend())
        return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
      State next = state;
      next.length = std::min(state.length + 1, lengths);
      bool fits = texts[place][found] != kNoText;
      for (size_t k = 0; k < counted.size() && fits; ++k) {
        if ((found >> k & 1U) == 0) continue;
        const bool full = next.counts[k] >= counted[k].most();
        if (full && counted[k].max != kUnbounded) fits = false;
        if (full && !counted[k].claims) fits = false;  // read as not found just as well
        if (!full) ++next.counts[k];
      }
      if (!fits) continue;
      ways.push_back(
          e_.Sequence({state.length > 0 ? comma : kEmptyText, texts[place][found], e_.Reference(rule_of(next))}));
    }
    e_.Define(rule, e_.Choice(std::move(ways)));
  }
  return e_.Sequence({e_.Bytes("["), json_.Space(), start, json_.Space(), e_.Bytes("]")});
}

std::optional<bj::array> SchemaReader::ValuesOfFlat(const Flat& flat, int depth) {
  if (depth > kMaxItemsDepth || !budget_.Spend(10)) return std::nullopt;
  bj::array values;
  const auto add = [&](const bj::value& value) {
    if (std::none_of(values.begin(), values.end(), [&](const bj::value& one) { return AreSame(one, value); })) {
      values.push_back(value);
    }
  };
  if (flat.contains(kNothing)) return values;
  if (const bj::value* lists = flat.if_contains(kAnyOfs)) {
    if (lists->get_array().size() != 1 || flat.contains(kOneOfs)) return std::nullopt;
    Flat rest = flat;
    rest.erase(kAnyOfs);
    for (const bj::value& way : lists->get_array()[0].get_array()) {
      const absl::StatusOr<Flat> branch = flattener_.Flatten(way, "$");
      if (!branch.ok()) return std::nullopt;
      const absl::StatusOr<Flat> merged = flattener_.Merge(rest, *branch, "$", SchemaFlattener::Scope::kWay);
      const std::optional<bj::array> some = merged.ok() ? ValuesOfFlat(*merged, depth + 1) : std::nullopt;
      if (!some) return std::nullopt;
      for (const bj::value& value : *some) add(value);
    }
    return values.size() > kMostValues ? std::nullopt : std::optional(std::move(values));
  }
  const bj::value *given = flat.if_contains("enum"), *types = flat.if_contains("type");
  bj::array all;
  if (given != nullptr) {
    all = given->get_array();
  } else {
    if (types == nullptr) return std::nullopt;
    for (const bj::value& type : types->get_array()) {
      if (type == "null") {
        all.emplace_back(nullptr);
      } else if (type == "boolean") {
        all.emplace_back(true);
        all.emplace_back(false);
      } else {
        return std::nullopt;
      }
    }
  }
  if (all.size() > kMostValues || !budget_.Spend(SizeOf(all) * static_cast<int64_t>(all.size() + 1)))
    return std::nullopt;
  for (const bj::value& value : all) {
    bool valid = true;
    for (const auto& [key, bound] : flat) {
      const std::string_view name = View(key);
      if (name == "enum" || name == "type") continue;
      const std::optional<bool> within = IsWithin(value, name, bound);
      if (!within) return std::nullopt;
      valid = valid && *within;
    }
    if (types != nullptr) {
      valid = valid && std::any_of(types->get_array().begin(), types->get_array().end(),
                                   [&](const bj::value& type) { return IsOfType(value, View(type.get_string())); });
    }
    if (valid) add(value);
  }
  return values;
}

std::optional<bj::array> SchemaReader::ValuesOf(const bj::value& schema, int depth) {
  const absl::StatusOr<Flat> flat = flattener_.Flatten(schema, "$");
  return flat.ok() ? ValuesOfFlat(*flat, depth) : std::nullopt;
}

// Every tuple of different values that the prefix and the items behind it leave.
absl::StatusOr<ExprId> SchemaReader::ReadUniqueTuples(const Flat& flat, int32_t min, int32_t max, const std::string& at,
                                                      int depth) {
  const bj::value* items = flat.if_contains("items");
  const bj::array& prefix = flat.at("prefixItems").get_array();
  // As of other lists: others only where the schema speaks of them or there must be some.
  const bool others = items != nullptr || min > static_cast<int64_t>(prefix.size());
  std::vector<bj::array> tuples = {{}};
  std::vector<ExprId> ways;
  std::optional<bj::array> values;  // of the next item
  for (size_t length = 0; !tuples.empty(); ++length) {
    const auto size = static_cast<int64_t>(length);
    for (const bj::array& tuple : tuples) {
      if (size >= min) ways.push_back(json_.Literal(tuple));
    }
    const bool behind = length >= prefix.size();
    if ((behind && !others) || (max != kUnbounded && size >= max)) break;
    if (!behind) {
      values = ValuesOf(prefix[length], depth);
    } else if (length == prefix.size()) {
      values = items == nullptr ? std::nullopt : ValuesOf(*items, depth);
    }
    if (!values) {
      return Refused(at, Concat("is not supported beside prefixItems ", behind ? "and others behind them " : "",
                                "of more than a few values"));
    }
    if (!budget_.Spend(static_cast<int64_t>(tuples.size() * (values->size() + 1)) * (size + 1)))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    std::vector<bj::array> longer;
    for (const bj::array& tuple : tuples) {
      for (const bj::value& value : *values) {
        if (std::any_of(tuple.begin(), tuple.end(), [&](const bj::value& one) { return AreSame(one, value); }))
          continue;
        longer.push_back(tuple);
        longer.back().push_back(value);
      }
      if (longer.size() > kMostTuples) {
        return Refused(at, "is not supported beside so many values of prefixItems and of items behind them");
      }
    }
    tuples = std::move(longer);
  }
  return e_.Choice(std::move(ways));
}

// Of few values every list of different ones; of more those lists that have them in the schema's order.
absl::StatusOr<ExprId> SchemaReader::ReadUnique(const Flat& flat, const std::string& path, int depth) {
  const std::string at = Below(path, "uniqueItems");
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> least, Count(flat, "minItems", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> most, Count(flat, "maxItems", path));
  const int32_t min = least.value_or(0), max = most.value_or(kUnbounded);
  if (flat.contains(kContains) || flat.contains(kUnclaimed)) return Refused(at, "is not supported beside contains");
  const bj::value *items = flat.if_contains("items"), *prefix = flat.if_contains("prefixItems");
  if (prefix != nullptr) return ReadUniqueTuples(flat, min, max, at, depth);
  const std::optional<bj::array> values = items == nullptr ? std::nullopt : ValuesOf(*items, depth);
  if (!values) {
    return Refused(at,
                   "is not supported but for items of few values (enum, const, booleans): an answer cannot be held to "
                   "it. Leave it out");
  }
  const size_t size = values->size();
  std::vector<ExprId> texts;
  for (const bj::value& value : *values) texts.push_back(json_.Literal(value));
  const auto fits = [&](size_t count) { return max == kUnbounded || static_cast<int64_t>(count) <= max; };
  const ExprId comma = json_.Comma();
  ExprId start = kNoText;
  if (size <= kMostInAnyOrder) {
    // A rule for every set of values that have come.
    std::vector<RuleId> rules;
    for (size_t used = 0; used < size_t{1} << size; ++used) rules.push_back(e_.NewRule());
    for (size_t used = 0; used < rules.size(); ++used) {
      const auto count = static_cast<size_t>(std::popcount(used));
      std::vector<ExprId> ways;
      if (static_cast<int64_t>(count) >= min) ways.push_back(kEmptyText);
      for (size_t k = 0; k < size && fits(count + 1); ++k) {
        if ((used >> k & 1U) != 0) continue;
        const ExprId rest = e_.Reference(rules[used | size_t{1} << k]);
        ways.push_back(e_.Sequence({count > 0 ? comma : kEmptyText, texts[k], rest}));
      }
      e_.Define(rules[used], e_.Choice(std::move(ways)));
    }
    start = e_.Reference(rules[0]);
  } else {
    // Behind `count` values, the last of them before k: one of the k-th on. Counts stop where more makes no difference.
    const bool counts = min > 1 || !fits(size);
    const size_t cap = counts ? std::min(size, static_cast<size_t>(max == kUnbounded ? min : max)) : 1;
    if (counts && static_cast<size_t>(min) > size) return kNoText;
    std::vector<std::vector<ExprId>> next(size + 1, std::vector<ExprId>(cap + 1, kNoText));
    const auto behind = [&](size_t k, size_t count) {
      const bool may_end = static_cast<int64_t>(count) >= min;
      return e_.Choice({may_end ? kEmptyText : kNoText, fits(count + 1) || !counts ? next[k][count] : kNoText});
    };
    for (size_t k = size; k-- > 0;) {
      for (size_t count = 0; count <= cap; ++count) {
        if (!budget_.Spend())
          return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
        const RuleId rule = e_.NewRule();
        const ExprId item =
            e_.Sequence({count > 0 ? comma : kEmptyText, texts[k], behind(k + 1, std::min(count + 1, cap))});
        e_.Define(rule, e_.Choice({item, next[k + 1][count]}));
        next[k][count] = e_.Reference(rule);
      }
    }
    start = behind(0, 0);
  }
  return e_.Sequence({e_.Bytes("["), json_.Space(), start, json_.Space(), e_.Bytes("]")});
}

}  // namespace batucada::grammar
