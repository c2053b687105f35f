// Objects of a flat schema: members by name, by patterns of names, and others.
//
// Members that are named come in the schema's order, others behind them: among these a name may come twice, of which
// readers keep the last.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/schema_reader.h"
#include "text/grammar/text_formats.h"
#include "text/json_text.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr size_t kMostClasses = 64;            // of names
constexpr int64_t kMostMemberStates = 20'000;  // of members and counts

// What one schema says of members' names.
struct Says {
  const bj::object* properties = nullptr;
  const bj::object* patterns = nullptr;
  const bj::value* others = nullptr;
};

absl::StatusOr<std::vector<Says>> ReadSays(const bj::array& objects, const std::string& path) {
  std::vector<Says> all;
  for (const bj::value& value : objects) {
    Says says;
    for (const auto& [keyword, into] :
         {std::pair("properties", &says.properties), std::pair("patternProperties", &says.patterns)}) {
      const bj::value* own = value.get_object().if_contains(keyword);
      if (own == nullptr) continue;
      if (!own->is_object()) return Refused(Below(path, keyword), "must be an object");
      *into = &own->get_object();
    }
    says.others = value.get_object().if_contains("additionalProperties");
    all.push_back(says);
  }
  return all;
}

// All of them, each once.
std::vector<std::string> PatternsOf(const bj::array& objects) {
  std::vector<std::string> patterns;
  for (const bj::value& value : objects) {
    const bj::value* own = value.get_object().if_contains("patternProperties");
    for (const auto& member : own != nullptr && own->is_object() ? own->get_object() : bj::object()) {
      const std::string_view regex = View(member.key());
      if (std::find(patterns.begin(), patterns.end(), regex) == patterns.end()) patterns.emplace_back(regex);
    }
  }
  return patterns;
}

}  // namespace

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

absl::StatusOr<std::vector<TextPattern>> SchemaReader::NamePatterns(const bj::value& names, const std::string& path) {
  std::vector<TextPattern> patterns;
  if (names.is_bool()) return patterns;  // false says maxProperties, see Flatten
  BATUCADA_ASSIGN_OR_RETURN(Flat flat, flattener_.Flatten(names, path));
  BATUCADA_RETURN_IF_ERROR(Settle(flat, path));
  if (flat.contains(kNothing))
    return std::vector<TextPattern>{{.regex = "[]", .match = RegexMatch::kWhole, .texts = {}}};
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minLength", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxLength", path));
  if (min || max) patterns.push_back(TextPattern::OfLength(min.value_or(0), max ? *max : int64_t{-1}));
  for (const auto& [key, value] : flat) {
    const std::string_view name = View(key);
    if (name == "pattern" || name == "format") {
      for (const bj::value& one : value.get_array()) {
        const std::string_view text = View(one.get_string());
        if (name == "pattern") {
          patterns.push_back({.regex = std::string(text), .texts = {}});
        } else if (const std::string_view regex = FormatPattern(text); !regex.empty()) {
          patterns.push_back({.regex = std::string(regex), .match = RegexMatch::kWhole, .texts = {}});
        } else if (!IsAnnotation(text)) {
          return Refused(Below(path, name), "is not known");
        }
      }
    } else if (name == "enum") {
      std::vector<std::string> texts;
      for (const bj::value& one : value.get_array()) {
        if (one.is_string()) texts.emplace_back(View(one.get_string()));
      }
      if (texts.empty()) texts.emplace_back("\xF4\x8F\xBF\xBF");  // U+10FFFF: no name
      patterns.push_back({.regex = "", .match = RegexMatch::kWhole, .texts = std::move(texts)});
    } else if (name == "type") {
      if (std::none_of(value.get_array().begin(), value.get_array().end(),
                       [](const bj::value& t) { return t == "string"; })) {
        return Refused(Below(path, name), "leaves no name: names are strings");
      }
    } else if (IsOwn(name)) {
      return Refused(path,
                     "is not supported beside properties, required or patternProperties, except as pattern, "
                     "format, enum, const and lengths");
    }
  }
  return patterns;
}

absl::StatusOr<ExprId> SchemaReader::ReadMap(const Flat& flat, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minProperties", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxProperties", path));
  // A key that comes twice counts once.
  if (min.value_or(0) > 1) return Refused(Below(path, "minProperties"), "is not supported above 1");
  ExprId key = json_.String(), value = json_.Value();
  if (const bj::value* more = flat.if_contains("additionalProperties")) {
    BATUCADA_ASSIGN_OR_RETURN(value, Read(*more, Below(path, "additionalProperties"), depth + 1));
  }
  const bj::value* names = flat.if_contains("propertyNames");
  if (names != nullptr && !names->is_bool()) {
    const std::string at = Below(path, "propertyNames");
    BATUCADA_ASSIGN_OR_RETURN(Flat of_names, flattener_.Flatten(*names, at));
    of_names["type"] = bj::array{"string"};
    BATUCADA_ASSIGN_OR_RETURN(key, ReadFlat(std::move(of_names), at, depth + 1));
  }
  return json_.Map(key, value, min.value_or(0), max.value_or(kUnbounded));
}

// `classes` are of `all` patterns: first `patterns` of patternProperties, then what names must be, last the names that
// have members of their own.
absl::StatusOr<ExprId> SchemaReader::ReadOthers(const bj::array& objects, const TextClasses& classes, size_t patterns,
                                                size_t all, const std::string& path, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<Says> says, ReadSays(objects, path));
  std::vector<std::string> regexes = PatternsOf(objects);
  const uint32_t named = uint32_t{1} << (all - 1), every = named - 1;
  const uint32_t needed = every & ~((uint32_t{1} << patterns) - 1);
  absl::flat_hash_map<ExprId, std::vector<uint32_t>> by_value;
  std::vector<ExprId> values;
  const std::vector<uint32_t> found = classes.Classes();
  if (found.size() > kMostClasses) {
    return Refused(Below(path, "patternProperties"), Concat("has patterns that tell more than ", kMostClasses,
                                                            " kinds of names apart, which is not supported"));
  }
  for (const uint32_t matched : found) {
    if ((matched & named) != 0 || (matched & needed) != needed) continue;
    bj::value schema(true);
    bool spoken = false;  // of such names; where nothing is said of them, none come
    for (const Says& one : says) {
      bool seen = false;
      for (size_t k = 0; k < patterns; ++k) {
        if ((matched >> k & 1U) == 0 || one.patterns == nullptr) continue;
        const bj::value* own = one.patterns->if_contains(regexes[k]);
        if (own == nullptr) continue;
        schema = BothSchemas(schema, *own);
        seen = true;
      }
      if (!seen && one.others != nullptr) {
        schema = BothSchemas(schema, *one.others);
        seen = true;
      }
      spoken = spoken || seen;
    }
    if (!spoken) continue;
    if (!budget_.Spend(SizeOf(schema)))
      return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    BATUCADA_ASSIGN_OR_RETURN(const ExprId value, Read(schema, Below(path, "patternProperties"), depth + 1));
    if (value == kNoText) continue;
    auto& of_value = by_value[value];
    if (of_value.empty()) values.push_back(value);
    of_value.push_back(matched);
  }
  const ExprId quote = e_.Bytes("\"");
  std::vector<ExprId> ways;
  for (const ExprId value : values) {
    std::vector<ExprId> keys;
    for (const uint32_t matched : by_value[value]) {
      keys.push_back(classes.Texts(matched, (every | named) & ~matched, json_, e_));
    }
    ways.push_back(e_.Sequence({quote, e_.Choice(std::move(keys)), quote, json_.Colon(), value}));
  }
  return e_.Choice(std::move(ways));
}

absl::StatusOr<ExprId> SchemaReader::ReadObject(const Flat& flat, const std::string& path, int depth) {
  bj::array objects;
  if (const bj::value* list = flat.if_contains(kObjects)) objects = list->get_array();
  bj::object own;
  for (const char* keyword : {"properties", "patternProperties", "additionalProperties"}) {
    if (const bj::value* value = flat.if_contains(keyword)) own[keyword] = *value;
  }
  if (!own.empty()) objects.push_back(std::move(own));
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<Says> says, ReadSays(objects, path));
  std::vector<std::string> required, names;
  absl::flat_hash_set<std::string> asked_for, named;
  if (const bj::value* needed = flat.if_contains("required")) {
    if (!needed->is_array()) return Refused(Below(path, "required"), "must be a list of names");
    for (const bj::value& name : needed->get_array()) {
      if (!name.is_string()) return Refused(Below(path, "required"), "must be a list of names");
      if (asked_for.emplace(View(name.get_string())).second) required.emplace_back(View(name.get_string()));
    }
  }
  bool has_properties = false;
  for (const Says& one : says) {
    has_properties = has_properties || one.properties != nullptr;
    for (const auto& member : one.properties != nullptr ? *one.properties : bj::object()) {
      if (named.emplace(View(member.key())).second) names.emplace_back(View(member.key()));
    }
  }
  const std::vector<std::string> regexes = PatternsOf(objects);
  const bj::value* name_schema = flat.if_contains("propertyNames");
  if (!has_properties && required.empty() && regexes.empty()) {
    Flat map = flat;
    bj::value others(true);
    for (const Says& one : says) {
      if (one.others != nullptr) others = BothSchemas(others, *one.others);
    }
    if (!says.empty()) map["additionalProperties"] = std::move(others);
    return ReadMap(map, path, depth);
  }
  for (const std::string& name : required) {
    if (named.insert(name).second) names.push_back(name);
  }

  std::vector<TextPattern> patterns;
  for (const std::string& regex : regexes) patterns.push_back({.regex = regex, .texts = {}});
  if (name_schema != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(const std::vector<TextPattern> more,
                              NamePatterns(*name_schema, Below(path, "propertyNames")));
    patterns.insert(patterns.end(), more.begin(), more.end());
  }
  std::optional<TextClasses> classes;
  const uint32_t of_regexes = (uint32_t{1} << std::min<size_t>(regexes.size(), 31)) - 1;
  uint32_t needed = 0;
  if (!patterns.empty()) {
    if (!names.empty()) patterns.push_back({.regex = "", .match = RegexMatch::kWhole, .texts = names});
    if (names.empty()) patterns.push_back({.regex = "[]", .match = RegexMatch::kWhole, .texts = {}});
    TextClasses::Refusal refusal;
    absl::StatusOr<TextClasses> made = TextClasses::Make(patterns, budget_, &refusal);
    if (!made.ok()) {
      return Refused(
          Below(path, refusal.at < regexes.size() || name_schema == nullptr ? "patternProperties" : "propertyNames"),
          refusal.why);
    }
    classes = *std::move(made);
    needed = ((uint32_t{1} << (patterns.size() - 1)) - 1) & ~of_regexes;
  }

  std::vector<Member> members;
  for (const std::string& name : names) {
    uint32_t matched = 0;
    if (classes && !classes->Find(name, &matched)) {
      return Refused(Below(path, "patternProperties"),
                     Concat("has a pattern that some readers match with ", Printable(name), " and others do not"));
    }
    bj::value schema(true);
    std::string at = Below(path, "additionalProperties");
    for (const Says& one : says) {
      bool seen = false;
      if (const bj::value* own_schema = one.properties == nullptr ? nullptr : one.properties->if_contains(name)) {
        schema = BothSchemas(schema, *own_schema);
        at = Below(Below(path, "properties"), name);
        seen = true;
      }
      for (size_t k = 0; k < regexes.size() && one.patterns != nullptr; ++k) {
        const bj::value* own_schema = (matched >> k & 1U) != 0 ? one.patterns->if_contains(regexes[k]) : nullptr;
        if (own_schema == nullptr) continue;
        schema = BothSchemas(schema, *own_schema);
        seen = true;
      }
      if (!seen && one.others != nullptr) schema = BothSchemas(schema, *one.others);
    }
    if ((matched & needed) != needed) schema = false;  // a name that may not be
    BATUCADA_ASSIGN_OR_RETURN(const ExprId value, Read(schema, at, depth + 1));
    if (value == kNoText && asked_for.contains(name)) return kNoText;  // asked for and forbidden
    members.push_back({name, e_.Sequence({e_.Bytes(QuoteJson(name)), json_.Colon(), value}), asked_for.contains(name)});
  }
  ExprId other = kNoText;
  if (classes) {
    BATUCADA_ASSIGN_OR_RETURN(other, ReadOthers(objects, *classes, regexes.size(), patterns.size(), path, depth));
  } else {
    bj::value schema(true);
    bool spoken = false;
    for (const Says& one : says) {
      if (one.others == nullptr) continue;
      schema = BothSchemas(schema, *one.others);
      spoken = true;
    }
    if (spoken && !(schema.is_bool() && !schema.get_bool())) {
      BATUCADA_ASSIGN_OR_RETURN(const ExprId value, Read(schema, Below(path, "additionalProperties"), depth + 1));
      if (value != kNoText) other = e_.Sequence({OtherKey(names), json_.Colon(), value});
    }
  }
  return ReadMembers(flat, members, other, path);
}

// From the last member to the first: what may follow where a member must come next (behind a comma or a brace), and
// where one has come; by how many members have come, where that matters.
absl::StatusOr<ExprId> SchemaReader::ReadMembers(const Flat& flat, const std::vector<Member>& members, ExprId other,
                                                 const std::string& path) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> least, Count(flat, "minProperties", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> most, Count(flat, "maxProperties", path));
  const auto must =
      static_cast<int32_t>(std::count_if(members.begin(), members.end(), [](const Member& m) { return m.required; }));
  const auto all = static_cast<int32_t>(members.size());
  const int32_t min = least.value_or(0), max = most.value_or(kUnbounded);
  if ((max != kUnbounded && min > max) || (max != kUnbounded && must > max)) return kNoText;
  // Others may have the same name, and count as one.
  if (min > all + (other == kNoText ? 0 : 1)) {
    return other == kNoText ? absl::StatusOr<ExprId>(kNoText)
                            : Refused(Below(path, "minProperties"),
                                      "is not supported above the number of properties that are named, and one more");
  }
  const bool counts = (min > 1 && min > must) || (max != kUnbounded && max < all);
  const int32_t cap = counts ? all : 0;
  if (int64_t{all + 1} * (cap + 1) > kMostMemberStates) {
    return Refused(Below(path, least ? "minProperties" : "maxProperties"),
                   "is not supported beside so many properties");
  }
  // Others behind `count` members; without counts there are enough of these where one has come.
  const auto others = [&](int32_t count, bool first) {
    const int32_t room = max == kUnbounded ? kUnbounded : counts ? max - count : max - all;
    const bool enough = counts ? count >= min : !first || min == 0;
    if (other == kNoText || room == 0) return enough && !first ? kEmptyText : kNoText;
    if (counts && count + 1 < min) return kNoText;
    const ExprId more = e_.Sequence({json_.Comma(), other});
    if (first) return e_.Sequence({other, e_.Repeat(more, 0, room == kUnbounded ? room : room - 1)});
    return e_.Repeat(more, enough ? 0 : 1, room);
  };
  std::vector<ExprId> next, after;
  for (int32_t count = 0; count <= cap; ++count) {
    next.push_back(others(count, true));
    after.push_back(others(count, false));
  }
  bool may_end = true;  // none of those behind is required
  for (size_t i = members.size(); i-- > 0;) {
    const Member& member = members[i];
    may_end = may_end && !member.required;
    std::vector<ExprId> next_here, after_here;
    for (int32_t count = 0; count <= cap; ++count) {
      const auto at = static_cast<size_t>(count);
      const auto then = static_cast<size_t>(std::min(count + 1, cap));
      const bool full = counts && max != kUnbounded && count >= max;
      const ExprId here = full ? kNoText : e_.Sequence({member.text, after[then]});
      const ExprId some = e_.Choice({here, member.required ? kNoText : next[at]});
      if (some == kNoText) {
        next_here.push_back(kNoText);
      } else {
        const RuleId rule = e_.NewRule();  // it is used twice
        e_.Define(rule, some);
        next_here.push_back(e_.Reference(rule));
      }
      const bool ends = may_end && (!counts || count >= min);
      const ExprId rest =
          e_.Choice({ends ? kEmptyText : kNoText,
                     next_here.back() == kNoText ? kNoText : e_.Sequence({json_.Comma(), next_here.back()})});
      const RuleId rule = e_.NewRule();
      e_.Define(rule, rest);
      after_here.push_back(rest == kNoText || rest == kEmptyText ? rest : e_.Reference(rule));
    }
    next = std::move(next_here);
    after = std::move(after_here);
  }
  const ExprId nothing = e_.Sequence({e_.Bytes("{"), json_.Space(), e_.Bytes("}")});
  const ExprId some = e_.Sequence({e_.Bytes("{"), json_.Space(), next[0], json_.Space(), e_.Bytes("}")});
  return e_.Choice({min == 0 && must == 0 ? nothing : kNoText, some});
}

}  // namespace batucada::grammar
