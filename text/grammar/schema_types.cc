#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/length_bound.h"
#include "text/grammar/number_range.h"
#include "text/grammar/regex.h"
#include "text/grammar/schema_reader.h"
#include "text/grammar/text_formats.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int32_t kMaxCount = 1'000'000;

std::string_view View(bj::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::StatusOr<std::optional<int32_t>> SchemaReader::Count(const Flat& flat, const char* name,
                                                           const std::string& path) const {
  const bj::value* value = flat.if_contains(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->to_number<double>() : -1;
  if (number < 0 || number != std::floor(number))
    return Refused(Below(path, name), "must be a whole number, at least 0");
  return static_cast<int32_t>(std::min<double>(number, kMaxCount));
}

absl::StatusOr<ExprId> SchemaReader::ReadString(const Flat& flat, const std::string& path) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minLength", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxLength", path));
  if (max && min.value_or(0) > *max) return kNoText;
  struct Held {
    const char* keyword;
    std::string_view regex;
    RegexMatch match;
  };
  std::vector<Held> ways;  // the first that can be held to
  const bj::value *pattern = flat.if_contains("pattern"), *format = flat.if_contains("format");
  for (const char* name : {"pattern", "format"}) {
    const bj::value* value = flat.if_contains(name);
    if (value != nullptr && !value->is_string()) return Refused(Below(path, name), "must be a string");
  }
  if (pattern != nullptr) ways.push_back({"pattern", View(pattern->get_string()), RegexMatch::kSearch});
  if (format != nullptr) {
    const std::string_view name = View(format->get_string()), regex = FormatPattern(name);
    if (!regex.empty()) ways.push_back({"format", regex, RegexMatch::kWhole});
    if (ways.empty() && !IsAnnotation(name)) {
      return Refused(
          Below(path, "format"),
          Concat("is ", Printable(name), ", which is not supported: those that are, are ",
                 absl::StrJoin(FormatNames(), ", ", [](std::string* out, std::string_view n) { out->append(n); })));
    }
  }
  if (ways.empty()) return json_.String(min.value_or(0), max.value_or(kUnbounded));
  absl::Status refusal;
  for (const Held& way : ways) {
    absl::flat_hash_set<ExprId> units;
    const absl::StatusOr<RegexLanguage> language = ReadRegex(
        way.regex, way.match, e_, [&](const CharSet& chars) { return *units.insert(json_.Char(chars)).first; });
    if (!language.ok()) {
      const auto message = language.status().message();
      if (refusal.ok()) refusal = Refused(Below(path, way.keyword), {message.data(), message.size()});
      continue;
    }
    ExprId text = language->expression;
    const bool fits = language->least >= min.value_or(0) && (!max || (language->most >= 0 && language->most <= *max));
    if (!fits) text = LengthBound(units, e_, budget_).Within(text, min.value_or(0), max ? *max : int64_t{-1});
    if (!fits && text == kNoText) {
      return Refused(
          Below(path, max ? "maxLength" : "minLength"),
          Concat("cannot be held to beside this ", way.keyword, ": write the length into a pattern, as ^…{1,20}$"));
    }
    const ExprId quote = e_.Bytes("\"");
    return e_.Sequence({quote, text, quote});
  }
  return refusal;
}

absl::StatusOr<ExprId> SchemaReader::ReadNumber(const Flat& flat, bool whole, const std::string& path) {
  const auto bound = [&](const char* closed, const char* open,
                         bool lower) -> absl::StatusOr<std::optional<NumberBound>> {
    std::optional<NumberBound> best;
    for (const char* name : {closed, open}) {
      const bj::value* value = flat.if_contains(name);
      if (value == nullptr) continue;
      if (!value->is_number()) return Refused(Below(path, name), "must be a number");
      const NumberBound one{value->to_number<double>(), name == open};
      const bool tighter = !best || (lower ? one.value > best->value : one.value < best->value) ||
                           (one.value == best->value && one.exclusive);
      if (tighter) best = one;
    }
    return best;
  };
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<NumberBound> least, bound("minimum", "exclusiveMinimum", true));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<NumberBound> most, bound("maximum", "exclusiveMaximum", false));
  const bj::value* multiple = flat.if_contains("multipleOf");
  if (multiple == nullptr && !whole) {
    absl::StatusOr<ExprId> range = NumbersBetween(least, most, json_, e_);
    if (!range.ok())
      return Refused(path, View(bj::string_view(range.status().message().data(), range.status().message().size())));
    return range;
  }
  // Whole numbers: bounds are rounded inwards.
  constexpr double kReach = 1e18;
  int64_t low = -999'999'999'999'999'999, high = -low;
  if (least) {
    if (least->value >= kReach) return Refused(path, "has a minimum of more than 18 digits, which is not supported");
    const double up = std::ceil(least->value);
    low = std::max(low, static_cast<int64_t>(std::max(up, -kReach)) + (least->exclusive && up == least->value ? 1 : 0));
  }
  if (most) {
    if (most->value <= -kReach) return Refused(path, "has a maximum of more than 18 digits, which is not supported");
    const double down = std::floor(most->value);
    high =
        std::min(high, static_cast<int64_t>(std::min(down, kReach)) - (most->exclusive && down == most->value ? 1 : 0));
  }
  if (low > high) return kNoText;
  if (multiple == nullptr) return (least || most) ? IntegersBetween(low, high, e_) : json_.Integer();
  const std::string at = Below(path, "multipleOf");
  double wanted = multiple->is_number() ? multiple->to_number<double>() : 0;
  if (!(wanted > 0)) return Refused(at, "must be a number above 0");
  // Of a half, a quarter and so on those multiples that are whole: every program divides them alike.
  for (int i = 0; i < 10 && wanted != std::floor(wanted); ++i) wanted *= 2;
  if (wanted > kReach / 1000) return Refused(at, "has more than 15 digits, which is not supported: give a smaller one");
  if (wanted != std::floor(wanted)) {
    return Refused(at,
                   "is not supported unless it is a whole number, or one of halves, quarters and so on: an answer "
                   "cannot be held to it");
  }
  const auto step = static_cast<int64_t>(wanted);
  if (most || (least && low > 1)) {
    // Few enough to be named.
    const int64_t first = (low >= 0 ? (low + step - 1) / step : -(-low / step)),
                  last = high >= 0 ? high / step : -((-high + step - 1) / step);
    if (last - first > 2000)
      return Refused(at, "is not supported beside bounds that more than 2000 of its multiples keep");
    std::vector<ExprId> ways;
    for (int64_t k = first; k <= last; ++k) ways.push_back(e_.Bytes(std::to_string(k * step)));
    return e_.Choice(std::move(ways));
  }
  if (step > kMostStep)
    return Refused(at, Concat("is not supported above ", kMostStep,
                              " without bounds: give minimum and maximum, or a smaller one"));
  return MultiplesOf(step, least ? std::optional(low) : std::nullopt, e_);
}

absl::StatusOr<ExprId> SchemaReader::ReadArray(const Flat& flat, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> least, Count(flat, "minItems", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> most, Count(flat, "maxItems", path));
  const int32_t min = least.value_or(0), max = most.value_or(kUnbounded);
  if (max != kUnbounded && min > max) return kNoText;
  if (flat.contains(kContains)) return ReadContains(flat, path, depth);
  ExprId item = kNoText;
  const bj::value *items = flat.if_contains("items"), *prefix = flat.if_contains("prefixItems");
  if (items != nullptr && items->is_array()) {
    return Refused(Below(path, "items"), "must be a schema: give lists of schemas as prefixItems");
  }
  if (items != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(item, Read(*items, Below(path, "items"), depth + 1));
  } else if (prefix == nullptr) {
    item = json_.Value();
  } else if (const auto fixed = static_cast<int32_t>(prefix->is_array() ? prefix->get_array().size() : 0);
             min > fixed) {
    item = json_.Value();  // others only where there must be some
  }
  if (prefix == nullptr) return json_.List({}, item, min, max);
  if (!prefix->is_array()) return Refused(Below(path, "prefixItems"), "must be a list of schemas");
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
    if (!budget_.Spend(length)) return Refused("$", "is too complex");
    const std::vector<ExprId> some(first.begin(), first.begin() + length);
    ways.push_back(some.empty() ? json_.List({}, kNoText, 0, 0) : json_.List(some, kNoText, 0, 0));
  }
  if (max == kUnbounded || fixed <= max) {
    ways.push_back(json_.List(first, item, std::max(0, min - fixed), max == kUnbounded ? max : max - fixed));
  }
  return e_.Choice(std::move(ways));
}

ExprId SchemaReader::OtherKey(const std::vector<std::string>& names) {
  // One rule for every beginning that some name has: what may follow it.
  std::vector<std::string> beginnings = {""};
  const absl::flat_hash_set<std::string> whole(names.begin(), names.end());
  for (const std::string& name : names) {
    // Each beginning is kept, and held against the longer ones.
    if (!budget_.Spend(static_cast<int64_t>(name.size() * name.size() / 2))) return kNoText;
    for (size_t at = 0; at < name.size();) {
      NextCodepoint(name, &at);
      beginnings.push_back(name.substr(0, at));
    }
  }
  std::sort(beginnings.begin(), beginnings.end());
  beginnings.erase(std::unique(beginnings.begin(), beginnings.end()), beginnings.end());
  absl::flat_hash_map<std::string, RuleId> rules;
  for (const std::string& beginning : beginnings) rules[beginning] = e_.NewRule();
  const ExprId anything = e_.Repeat(json_.Char(CharSet::All()), 0, kUnbounded);
  for (const std::string& beginning : beginnings) {
    std::vector<ExprId> ways;
    CharSet continued;
    for (auto next = std::lower_bound(beginnings.begin(), beginnings.end(), beginning);
         next != beginnings.end() && next->starts_with(beginning); ++next) {
      if (next->size() == beginning.size()) continue;
      size_t at = beginning.size();
      const char32_t c = NextCodepoint(*next, &at);
      if (at != next->size()) continue;
      continued = continued.Union(CharSet({{c, c}}));
      ways.push_back(e_.Sequence({json_.Char(CharSet({{c, c}})), e_.Reference(rules[*next])}));
    }
    ways.push_back(e_.Sequence({json_.Char(continued.Complement()), anything}));
    if (!whole.contains(beginning)) ways.push_back(kEmptyText);
    e_.Define(rules[beginning], e_.Choice(std::move(ways)));
  }
  const ExprId quote = e_.Bytes("\"");
  return e_.Sequence({quote, e_.Reference(rules[""]), quote});
}

absl::StatusOr<ExprId> SchemaReader::ReadMap(const Flat& flat, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minProperties", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxProperties", path));
  // A key that comes twice counts once.
  if (min.value_or(0) > 1) return Refused(Below(path, "minProperties"), "is not supported above 1");
  ExprId key = json_.String(), value = json_.Value();
  const bj::value* more = flat.if_contains("additionalProperties");
  if (more != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(value, Read(*more, Below(path, "additionalProperties"), depth + 1));
  }
  const bj::value *names = flat.if_contains("propertyNames"), *patterns = flat.if_contains("patternProperties");
  if (names != nullptr && patterns != nullptr)
    return Refused(Below(path, "propertyNames"), "is not supported beside patternProperties");
  if (names != nullptr && !names->is_bool()) {
    const std::string at = Below(path, "propertyNames");
    BATUCADA_ASSIGN_OR_RETURN(Flat of_names, flattener_.Flatten(*names, at));
    of_names["type"] = bj::array{"string"};
    BATUCADA_ASSIGN_OR_RETURN(key, ReadFlat(std::move(of_names), at, depth + 1));
  }
  if (patterns != nullptr) {
    const std::string at = Below(path, "patternProperties");
    if (!patterns->is_object() || patterns->get_object().size() != 1)
      return Refused(at, "is supported with one pattern only");
    if (more != nullptr && !(more->is_bool() && !more->get_bool())) {
      return Refused(at, "is not supported beside additionalProperties other than false");
    }
    const auto& only = *patterns->get_object().begin();
    const absl::StatusOr<RegexLanguage> language = ReadRegex(
        View(only.key()), RegexMatch::kSearch, e_, [this](const CharSet& chars) { return json_.Char(chars); });
    if (!language.ok())
      return Refused(at, View(bj::string_view(language.status().message().data(), language.status().message().size())));
    key = e_.Sequence({e_.Bytes("\""), language->expression, e_.Bytes("\"")});
    BATUCADA_ASSIGN_OR_RETURN(value, Read(only.value(), Below(at, View(only.key())), depth + 1));
  }
  return json_.Map(key, value, min.value_or(0), max.value_or(kUnbounded));
}

absl::StatusOr<ExprId> SchemaReader::ReadObject(const Flat& flat, const std::string& path, int depth) {
  const bj::value *properties = flat.if_contains("properties"), *needed = flat.if_contains("required");
  if (properties != nullptr && !properties->is_object()) return Refused(Below(path, "properties"), "must be an object");
  std::vector<std::string> required;
  absl::flat_hash_set<std::string> asked_for, named;
  if (needed != nullptr) {
    if (!needed->is_array()) return Refused(Below(path, "required"), "must be a list of names");
    for (const bj::value& name : needed->get_array()) {
      if (!name.is_string()) return Refused(Below(path, "required"), "must be a list of names");
      if (asked_for.emplace(View(name.get_string())).second) required.emplace_back(View(name.get_string()));
    }
  }
  if (properties == nullptr && required.empty()) return ReadMap(flat, path, depth);
  for (const char* name : {"patternProperties", "propertyNames"}) {
    if (flat.contains(name)) return Refused(Below(path, name), "is not supported beside properties or required");
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minProperties", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxProperties", path));

  const bj::value* more = flat.if_contains("additionalProperties");
  const bool closed = more == nullptr || (more->is_bool() && !more->get_bool());
  ExprId other_value = kNoText;
  if (!closed) {
    BATUCADA_ASSIGN_OR_RETURN(other_value, Read(*more, Below(path, "additionalProperties"), depth + 1));
  }
  struct Member {
    std::string name;
    ExprId text;
    bool required;
  };
  std::vector<Member> members;
  const auto add = [&](const std::string& name, ExprId value) {
    named.insert(name);
    members.push_back({name, e_.Sequence({e_.Bytes(QuoteJson(name)), json_.Colon(), value}), asked_for.contains(name)});
  };
  if (properties != nullptr) {
    for (const auto& [key, schema] : properties->get_object()) {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId value,
                                Read(schema, Below(Below(path, "properties"), View(key)), depth + 1));
      add(std::string(View(key)), value);
    }
  }
  for (const std::string& name : required) {
    if (named.contains(name)) continue;
    if (more != nullptr && closed) return kNoText;  // asked for and forbidden
    add(name, more == nullptr ? json_.Value() : other_value);
  }
  const auto must =
      static_cast<int32_t>(std::count_if(members.begin(), members.end(), [](const Member& m) { return m.required; }));
  const auto all = static_cast<int32_t>(members.size());
  if (min.value_or(0) > must && !(*min == 1 && closed)) {
    return Refused(Below(path, "minProperties"), "is not supported above the number of required properties");
  }
  if (max && (*max < all || !closed))
    return Refused(Below(path, "maxProperties"), "is not supported below the number of properties");

  // From the last member to the first: what may follow where a member must come next (behind a comma or a brace), and
  // where one has come.
  ExprId next = kNoText, after = kEmptyText;
  if (!closed && other_value != kNoText) {
    std::vector<std::string> names;
    for (const Member& member : members) names.push_back(member.name);
    const ExprId other = e_.Sequence({OtherKey(names), json_.Colon(), other_value});
    const ExprId others = e_.Repeat(e_.Sequence({json_.Comma(), other}), 0, kUnbounded);
    next = e_.Sequence({other, others});
    after = others;
  }
  bool may_be_empty = min.value_or(0) == 0;
  for (size_t i = members.size(); i-- > 0;) {
    // As rules: both are used twice.
    const RuleId after_rule = e_.NewRule(), next_rule = e_.NewRule();
    e_.Define(after_rule, after);
    e_.Define(next_rule, next);
    const ExprId here = e_.Sequence({members[i].text, after == kEmptyText ? kEmptyText : e_.Reference(after_rule)});
    const ExprId skip = members[i].required || next == kNoText ? kNoText : e_.Reference(next_rule);
    next = e_.Choice({here, skip});
    const RuleId this_rule = e_.NewRule();
    e_.Define(this_rule, next);
    const ExprId go_on = e_.Sequence({json_.Comma(), e_.Reference(this_rule)});
    after = members[i].required ? go_on : e_.Optional(go_on);
    may_be_empty = may_be_empty && !members[i].required;
    // An optional member may be left out with all behind it only if none of those is required.
    for (size_t k = i + 1; k < members.size() && !members[i].required; ++k) {
      if (members[k].required) after = go_on;
    }
    next = e_.Reference(this_rule);
  }
  const ExprId open = e_.Sequence({e_.Bytes("{"), json_.Space()}), close = e_.Sequence({json_.Space(), e_.Bytes("}")});
  const ExprId some = next == kNoText ? kNoText : e_.Sequence({open, next, close});
  if (!may_be_empty) return some;
  return e_.Choice({e_.Sequence({e_.Bytes("{"), json_.Space(), e_.Bytes("}")}), some});
}

}  // namespace batucada::grammar
