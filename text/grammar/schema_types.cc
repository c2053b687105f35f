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
#include "text/json_text.h"
#include "text/utf8.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

constexpr int32_t kMaxLength = 1'000'000;

}  // namespace

absl::StatusOr<std::optional<int32_t>> SchemaReader::Count(const Flat& flat, const char* name,
                                                           const std::string& path) const {
  const bj::value* value = flat.if_contains(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->to_number<double>() : -1;
  if (number < 0 || number != std::floor(number))
    return Refused(Below(path, name), "must be a whole number, at least 0");
  return static_cast<int32_t>(std::min<double>(number, kMaxLength));
}

absl::StatusOr<SchemaReader::HeldTexts> SchemaReader::ClassifyTexts(const Flat& flat,
                                                                    const std::vector<std::string>& except,
                                                                    const std::string& path) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> min, Count(flat, "minLength", path));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int32_t> max, Count(flat, "maxLength", path));
  struct Held {
    const char* keyword;
    TextPattern pattern;
    bool wanted = true;
  };
  std::vector<Held> all;
  const auto each = [&](const char* keyword, const auto& take) {
    const bj::value* list = flat.if_contains(keyword);
    for (const bj::value& one : list != nullptr && list->is_array() ? list->get_array() : bj::array()) {
      if (one.is_string()) take(View(one.get_string()));
    }
  };
  each("format", [&](std::string_view name) {
    const std::string_view regex = FormatPattern(name);
    if (regex.empty()) return;
    all.push_back({"format", {.regex = std::string(regex), .match = RegexMatch::kWhole, .texts = {}}});
  });
  each("pattern", [&](std::string_view regex) {
    all.push_back({"pattern", {.regex = std::string(regex), .texts = {}}});
  });
  each(kNotPatterns, [&](std::string_view regex) {
    all.push_back({"not.pattern", {.regex = std::string(regex), .texts = {}}, false});
  });
  if (!except.empty()) all.push_back({"not", {.regex = "", .texts = except}, false});
  if (min || max) {
    all.push_back({max ? "maxLength" : "minLength", TextPattern::OfLength(min.value_or(0), max ? *max : int64_t{-1})});
  }
  std::vector<TextPattern> patterns;
  HeldTexts held;
  for (size_t i = 0; i < all.size(); ++i) {
    patterns.push_back(all[i].pattern);
    (all[i].wanted ? held.in : held.out) |= uint32_t{1} << i;
  }
  TextClasses::Refusal refusal;
  absl::StatusOr<TextClasses> classes = TextClasses::Make(patterns, budget_, &refusal);
  if (!classes.ok()) {
    if (all.empty()) return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
    return Refused(Below(path, all[std::min(refusal.at, all.size() - 1)].keyword), refusal.why);
  }
  held.classes = *std::move(classes);
  return held;
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
  std::vector<Held> all;
  const auto list = [&](const char* keyword) {
    const bj::value* value = flat.if_contains(keyword);
    return value != nullptr && value->is_array() ? value->get_array() : bj::array();
  };
  const bj::array patterns = list("pattern"), formats = list("format");
  for (const bj::value& one : patterns) all.push_back({"pattern", View(one.get_string()), RegexMatch::kSearch});
  for (const bj::value& format : formats) {
    const std::string_view name = View(format.get_string()), regex = FormatPattern(name);
    if (!regex.empty()) all.push_back({"format", regex, RegexMatch::kWhole});
    if (regex.empty() && !IsAnnotation(name)) {
      return Refused(
          Below(path, "format"),
          Concat("is ", Printable(name), ", which is not supported: those that are, are ",
                 absl::StrJoin(FormatNames(), ", ", [](std::string* out, std::string_view n) { out->append(n); })));
    }
  }
  const ExprId quote = e_.Bytes("\"");
  const auto together = [&]() -> absl::StatusOr<ExprId> {
    BATUCADA_ASSIGN_OR_RETURN(const HeldTexts held, ClassifyTexts(flat, {}, path));
    return e_.Sequence({quote, held.classes.Texts(held.in, held.out, json_, e_), quote});
  };
  if (flat.contains(kNotPatterns) || all.size() > 1) return together();
  if (all.empty()) return json_.String(min.value_or(0), max.value_or(kUnbounded));
  const Held& one = all.front();
  absl::flat_hash_set<ExprId> units;
  const absl::StatusOr<RegexLanguage> language =
      ReadRegex(one.regex, one.match, e_, [&](const CharSet& chars) { return *units.insert(json_.Char(chars)).first; });
  if (!language.ok()) {
    const auto message = language.status().message();
    return Refused(Below(path, one.keyword), {message.data(), message.size()});
  }
  ExprId text = language->expression;
  const bool fits = language->least >= min.value_or(0) && (!max || (language->most >= 0 && language->most <= *max));
  if (!fits) text = LengthBound(units, e_, budget_).Within(text, min.value_or(0), max ? *max : int64_t{-1});
  if (!fits && text == kNoText) return together();
  return e_.Sequence({quote, text, quote});
}

absl::StatusOr<ExprId> SchemaReader::ReadNumber(const Flat& flat, bool whole, const std::string& path) {
  const auto bound = [&](const char* closed, const char* open,
                         bool lower) -> absl::StatusOr<std::optional<NumberBound>> {
    std::optional<NumberBound> best;
    for (const char* name : {closed, open}) {
      const bj::value* value = flat.if_contains(name);
      if (value == nullptr) continue;
      if (!value->is_number()) return Refused(Below(path, name), "must be a number");
      const NumberBound one{ExactOf(*value), name == open};
      const bool tighter = !best || (lower ? one.value > best->value : one.value < best->value) ||
                           (one.value == best->value && one.exclusive);
      if (tighter) best = one;
    }
    return best;
  };
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<NumberBound> least, bound("minimum", "exclusiveMinimum", true));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<NumberBound> most, bound("maximum", "exclusiveMaximum", false));
  const bj::value* multiple = flat.if_contains("multipleOf");
  if (whole && flat.contains(kNotWhole)) return kNoText;
  const NumberKind kind = whole                      ? NumberKind::kWhole
                          : flat.contains(kNotWhole) ? NumberKind::kFraction
                                                     : NumberKind::kAny;
  if (multiple == nullptr && !whole) {
    absl::StatusOr<ExprId> range = NumbersBetween(least, most, kind, json_, e_);
    if (!range.ok())
      return Refused(path, View(bj::string_view(range.status().message().data(), range.status().message().size())));
    return range;
  }
  // Whole numbers: bounds are rounded inwards.
  constexpr ExactNumber kReach = 1e18L;
  int64_t low = -999'999'999'999'999'999, high = -low;
  if (least) {
    if (least->value >= kReach) return Refused(path, "has a minimum of more than 18 digits, which is not supported");
    const ExactNumber up = std::ceil(least->value);
    low = std::max(low, static_cast<int64_t>(std::max(up, -kReach)) + (least->exclusive && up == least->value ? 1 : 0));
  }
  if (most) {
    if (most->value <= -kReach) return Refused(path, "has a maximum of more than 18 digits, which is not supported");
    const ExactNumber down = std::floor(most->value);
    high =
        std::min(high, static_cast<int64_t>(std::min(down, kReach)) - (most->exclusive && down == most->value ? 1 : 0));
  }
  if (low > high && (whole || multiple == nullptr)) return kNoText;
  if (multiple == nullptr) return (least || most) ? IntegersBetween(low, high, e_) : json_.Integer();
  const std::string at = Below(path, "multipleOf");
  const double wanted = multiple->is_number() ? multiple->to_number<double>() : 0;
  if (!(wanted > 0)) return Refused(at, "must be a number above 0");
  const NumberRange range{
      .least = least, .most = most, .low = low, .high = high, .bounded = most || (least && low != 0 && low != 1)};
  absl::StatusOr<ExprId> multiples = MultiplesWithin(wanted, kind, range, e_, budget_);
  if (!multiples.ok()) {
    const auto message = multiples.status().message();
    return Refused(at, {message.data(), message.size()});
  }
  return multiples;
}

}  // namespace batucada::grammar
