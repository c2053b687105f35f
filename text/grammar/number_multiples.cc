#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/number_range.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {
namespace {

constexpr int64_t kMostNamed = 2000;  // multiples that are written out
constexpr int kMostPlaces = 15;       // behind the point
constexpr size_t kMostStates = 2000;  // of an automaton
constexpr int64_t kStepsOfState = 10;
constexpr int64_t kExact = 999'999'999'999'999;  // doubles hold all whole numbers up to here

// step = digits / 10^places.
struct Step {
  int64_t digits = 0;
  int places = 0;
};

absl::StatusOr<Step> ToStep(double step) {
  const auto too_long = [] {
    return absl::InvalidArgumentError("has more than 15 digits, which is not supported: give one of fewer");
  };
  std::array<char, 400> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), step, std::chars_format::fixed);
  if (error != std::errc()) return too_long();
  std::string digits(text.data(), end);
  const size_t point = digits.find('.');
  const size_t places = point == digits.npos ? 0 : digits.size() - point - 1;
  if (point != digits.npos) digits.erase(point, 1);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  if (digits.size() > kMostPlaces || places > kMostPlaces) return too_long();
  return Step{std::stoll(digits), static_cast<int>(places)};
}

std::string Write(int64_t digits, int places) {
  const bool negative = digits < 0;
  std::string text = std::to_string(negative ? -digits : digits);
  if (places > 0) {
    if (text.size() <= static_cast<size_t>(places)) text.insert(0, static_cast<size_t>(places) + 1 - text.size(), '0');
    text.insert(text.size() - static_cast<size_t>(places), 1, '.');
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return negative ? "-" + text : text;
}

// Whether programs that divide doubles agree.
bool IsMultiple(const std::string& text, double step) {
  const double quotient = std::strtod(text.c_str(), nullptr) / step;
  return quotient == std::floor(quotient);
}

// So near to its decimal fraction that whole multiples come out even: half a unit in the last place of any quotient.
bool IsNear(const std::string& text, double step) {
  const long double exact = std::strtold(text.c_str(), nullptr);
  return std::abs(static_cast<long double>(step) / exact - 1) < 0.9L * 0x1p-54L;
}

// A bound in units of 1 / scale, rounded inwards; nothing, if doubles do not hold all units there. Of units that they
// hold those that the bound allows: where it is one, the product is, too.
std::optional<int64_t> Scaled(const NumberBound& bound, int64_t scale, bool least) {
  const ExactNumber units = bound.value * static_cast<ExactNumber>(scale);
  const ExactNumber inwards = least ? std::ceil(units) : std::floor(units);
  if (std::abs(inwards) > static_cast<ExactNumber>(kExact)) return std::nullopt;
  const int64_t excluded = bound.exclusive && inwards == units ? 1 : 0;
  return static_cast<int64_t>(inwards) + (least ? excluded : -excluded);
}

// Multiples of a decimal fraction between bounds, as an automaton over their digits: what may follow depends on how
// many digits are left and on the remainder of those so far.
class DecimalMultiples {
 public:
  // Of `step`; kFraction: those alone that are not whole. All outlive this.
  DecimalMultiples(Step step, NumberKind kind, Expressions& e, WorkBudget& budget)
      : step_(step), kind_(kind), e_(e), budget_(budget) {}

  // From low to high, in units of 10^-places. Nothing, if there are more states than are made.
  // REQUIRES: both in ±(10^18 - 1).
  std::optional<ExprId> Between(int64_t low, int64_t high) {
    std::vector<ExprId> ways;
    if (low < 0) ways.push_back(e_.Sequence({e_.Bytes("-"), Sizes(std::max<int64_t>(1, -high), -low)}));
    if (high >= 0) ways.push_back(Sizes(std::max<int64_t>(0, low), high));
    if (failed_) return std::nullopt;
    return e_.Choice(std::move(ways));
  }

 private:
  struct State {
    int left = 0;  // digits
    int64_t remainder = 0;
    bool broken = false;  // whether one behind the point is above 0
    auto operator<=>(const State&) const = default;
  };

  ExprId Sizes(int64_t low, int64_t high) {
    std::vector<ExprId> ways;
    int64_t from = 0;  // by the number of digits
    for (int length = step_.places + 1; length <= kMostIntegerDigits && from <= high; ++length) {
      int64_t to = 9;
      for (int i = 1; i < length; ++i) to = to * 10 + 9;
      if (to >= low) {
        const std::string least = Padded(std::max(low, from), length), most = Padded(std::min(high, to), length);
        ways.push_back(Rest({.left = length}, least.c_str(), most.c_str()));
      }
      from = to + 1;
    }
    return e_.Choice(std::move(ways));
  }

  static std::string Padded(int64_t digits, int length) {
    std::string text = std::to_string(digits);
    return text.insert(0, static_cast<size_t>(length) - std::min(text.size(), static_cast<size_t>(length)), '0');
  }

  static int64_t Power(int exponent) {
    int64_t power = 1;
    for (int i = 0; i < exponent; ++i) power *= 10;
    return power;
  }
  // So many more digits make the same of remainders that differ by this.
  int64_t Modulus(int left) const { return step_.digits / std::gcd(step_.digits, Power(left)); }
  // Whether any that are left make a multiple.
  bool Leads(const State& state) const {
    int64_t zeros = state.remainder;
    for (int i = 0; i < state.left; ++i) zeros = zeros * 10 % step_.digits;
    return zeros == 0 || step_.digits - zeros < Power(state.left);
  }

  // The digits that are left, from `low` to `high`; null: no bound on that side any more.
  ExprId Rest(State state, const char* low, const char* high) {
    if (low != nullptr && std::string_view(low).find_first_not_of('0') == std::string_view::npos) low = nullptr;
    if (high != nullptr && std::string_view(high).find_first_not_of('9') == std::string_view::npos) high = nullptr;
    state.remainder %= Modulus(state.left);
    if (!Leads(state)) return kNoText;
    if (low != nullptr || high != nullptr) return Ways(state, low, high);
    if (const auto found = states_.find(state); found != states_.end()) return found->second;
    failed_ = failed_ || states_.size() >= kMostStates;
    ExprId ways = Ways(state, nullptr, nullptr);
    if (ways != kNoText && ways != kEmptyText) {
      const RuleId rule = e_.NewRule();
      e_.Define(rule, ways);
      ways = e_.Reference(rule);
    }
    return states_[state] = ways;
  }

  ExprId Ways(const State& state, const char* low, const char* high) {
    failed_ = failed_ || !budget_.Spend(kStepsOfState);
    if (failed_) return kNoText;
    std::vector<ExprId> ways;
    // Ending here means zeros from here on.
    const bool behind = state.left <= step_.places;
    const bool ends =
        behind && state.remainder == 0 && low == nullptr && (kind_ != NumberKind::kFraction || state.broken);
    if (ends) ways.push_back(kEmptyText);
    std::vector<std::pair<ExprId, CharSet>> by_rest;
    for (char digit = '0'; state.left > 0 && digit <= '9'; ++digit) {
      if ((low != nullptr && digit < *low) || (high != nullptr && digit > *high)) continue;
      const State next{.left = state.left - 1,
                       .remainder = (state.remainder * 10 + (digit - '0')) % step_.digits,
                       .broken = state.broken || (behind && digit > '0')};
      const ExprId rest = Rest(next, low != nullptr && digit == *low ? low + 1 : nullptr,
                               high != nullptr && digit == *high ? high + 1 : nullptr);
      if (rest == kNoText) continue;
      const CharSet one({{static_cast<char32_t>(digit), static_cast<char32_t>(digit)}});
      const auto same =
          std::find_if(by_rest.begin(), by_rest.end(), [&](const auto& known) { return known.first == rest; });
      if (same == by_rest.end()) {
        by_rest.emplace_back(rest, one);
      } else {
        same->second = same->second.Union(one);
      }
    }
    const ExprId point = state.left == step_.places && step_.places > 0 ? e_.Bytes(".") : kEmptyText;
    for (auto& [rest, digits] : by_rest) ways.push_back(e_.Sequence({point, e_.Chars(std::move(digits)), rest}));
    return e_.Choice(std::move(ways));
  }

  const Step step_;
  const NumberKind kind_;
  Expressions& e_;
  WorkBudget& budget_;
  std::map<State, ExprId> states_;
  bool failed_ = false;
};

}  // namespace

absl::StatusOr<ExprId> MultiplesWithin(double step, NumberKind kind, const NumberRange& range, Expressions& e,
                                       WorkBudget& budget) {
  BATUCADA_ASSIGN_OR_RETURN(const Step decimal, ToStep(step));
  int64_t scale = 1;
  for (int i = 0; i < decimal.places; ++i) scale *= 10;
  const int64_t shared = std::gcd(decimal.digits, scale), least_whole = decimal.digits / shared;
  const auto too_complex = [] {
    return absl::InvalidArgumentError("is too complex beside all the others: give nearer bounds");
  };
  // Those that are written out: first * unit to last * unit, in units of 10^-places.
  const auto named = [&](int64_t unit, int places, int64_t first, int64_t last) -> absl::StatusOr<ExprId> {
    if (first <= last && !budget.Spend(last - first + 1)) return too_complex();
    std::vector<ExprId> ways;
    for (int64_t k = first; k <= last; ++k) {
      const std::string text = Write(k * unit, places);
      if (kind == NumberKind::kFraction && text.find('.') == text.npos) continue;
      // Of fractions as bounds are read, so that one is as large as itself.
      const ExactNumber value = places == 0 ? static_cast<ExactNumber>(k * unit) : std::strtod(text.c_str(), nullptr);
      const bool low =
          range.least && (value < range.least->value || (range.least->exclusive && value == range.least->value));
      const bool high =
          range.most && (value > range.most->value || (range.most->exclusive && value == range.most->value));
      if (!low && !high && IsMultiple(text, step)) ways.push_back(e.Bytes(text));
    }
    return e.Choice(std::move(ways));
  };
  const int64_t quotient = scale / shared;
  const bool even = (quotient & (quotient - 1)) == 0;  // halves, quarters and so on divide alike everywhere
  const bool both = range.least && range.most;
  if (kind != NumberKind::kWhole && quotient > 1) {
    if (both) {
      const ExactNumber first = std::floor(range.least->value / step), last = std::ceil(range.most->value / step);
      const ExactNumber largest = std::max(std::abs(first), std::abs(last)) * static_cast<ExactNumber>(decimal.digits);
      if (last - first <= static_cast<ExactNumber>(kMostNamed) && largest < 1e15L) {
        return named(decimal.digits, decimal.places, static_cast<int64_t>(first), static_cast<int64_t>(last));
      }
    }
    if (even) {
      const std::optional<int64_t> low = range.least ? Scaled(*range.least, scale, true) : -kExact,
                                   high = range.most ? Scaled(*range.most, scale, false) : kExact;
      if (low && high && *low > *high) return kNoText;
      const auto found = low && high ? DecimalMultiples(decimal, kind, e, budget).Between(*low, *high) : std::nullopt;
      if (budget.spent() || e.overflowed()) return too_complex();
      if (found) return *found;
    }
    if (both || kind == NumberKind::kFraction) {
      return absl::InvalidArgumentError(
          Concat("is a fraction of which not more than ", kMostNamed,
                 " multiples are held to: give a minimum and a maximum that are nearer to each other, or count whole "
                 "units of it, as an integer"));
    }
  }
  if (range.low > range.high || kind == NumberKind::kFraction) return kNoText;
  const bool alike = even || (step < 1 && IsNear(Write(decimal.digits, decimal.places), step));
  if (range.bounded) {
    const int64_t first = range.low >= 0 ? (range.low + least_whole - 1) / least_whole : -(-range.low / least_whole),
                  last = range.high >= 0 ? range.high / least_whole : -((-range.high + least_whole - 1) / least_whole);
    if (last - first <= kMostNamed) return named(least_whole, 0, first, last);
    if (alike) {
      // Without a bound of their own they end where doubles round.
      const int64_t low = range.least ? range.low : std::max(range.low, std::min(-kExact, range.high)),
                    high = range.most ? range.high : std::min(range.high, std::max(kExact, range.low));
      const auto found = DecimalMultiples({.digits = least_whole}, NumberKind::kWhole, e, budget).Between(low, high);
      if (budget.spent() || e.overflowed()) return too_complex();
      if (found && *found != kNoText) return *found;
    }
    if (range.most || range.low > 1) {
      return absl::InvalidArgumentError(
          Concat("is not supported beside bounds that more than ", kMostNamed, " of its multiples keep"));
    }
  }
  const std::optional<int64_t> least = range.least ? std::optional(range.low) : std::nullopt;
  if (least_whole <= kMostStep && alike) return MultiplesOf(least_whole, least, e);
  int64_t head = least_whole;
  std::string zeros;
  while (head % 10 == 0) {
    head /= 10;
    zeros += '0';
  }
  if (quotient == 1 && head <= kMostStep) {
    const ExprId above = e.Sequence({MultiplesOf(head, 1, e), e.Bytes(zeros)});
    if (least && *least > 0) return above;
    return e.Choice({e.Bytes("0"), least ? above : e.Sequence({e.Optional(e.Bytes("-")), above})});
  }
  if (least_whole > 1'000'000'000'000) {
    return absl::InvalidArgumentError("has no multiple that is a whole number below 10^15: give minimum and maximum");
  }
  // The first thousand either way.
  return named(least_whole, 0, least ? 0 : -kMostNamed / 2, kMostNamed / 2);
}

}  // namespace batucada::grammar
