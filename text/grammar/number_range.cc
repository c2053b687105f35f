#include "text/grammar/number_range.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace batucada::grammar {
namespace {

constexpr int kDigits = 15;                            // of a number with a point
constexpr int64_t kLargest = 999'999'999'999'999'999;  // of kMostIntegerDigits digits

ExprId Digit(char first, char last, Expressions& e) {
  return e.Chars(CharSet({{static_cast<char32_t>(first), static_cast<char32_t>(last)}}));
}
ExprId AnyDigits(int32_t min, int32_t max, Expressions& e) { return e.Repeat(Digit('0', '9', e), min, max); }

// Digits of one length from `low` to `high`.
ExprId SameLength(std::string_view low, std::string_view high, Expressions& e) {
  if (low.empty()) return kEmptyText;
  // What is without bound needs no cases: they would double with every digit.
  if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos) {
    return AnyDigits(static_cast<int32_t>(low.size()), static_cast<int32_t>(low.size()), e);
  }
  const auto rest = static_cast<int32_t>(low.size()) - 1;
  const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
  if (low[0] == high[0]) return e.Sequence({Digit(low[0], low[0], e), SameLength(low_rest, high_rest, e)});
  const std::string zeros(low_rest.size(), '0'), nines(low_rest.size(), '9');
  std::vector<ExprId> ways = {e.Sequence({Digit(low[0], low[0], e), SameLength(low_rest, nines, e)}),
                              e.Sequence({Digit(high[0], high[0], e), SameLength(zeros, high_rest, e)})};
  if (high[0] - low[0] > 1) {
    ways.push_back(e.Sequence(
        {Digit(static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1), e), AnyDigits(rest, rest, e)}));
  }
  return e.Choice(std::move(ways));
}

// REQUIRES: 0 <= least <= most.
ExprId Naturals(int64_t least, int64_t most, Expressions& e) {
  const std::string low = std::to_string(least), high = std::to_string(most);
  std::vector<ExprId> ways;
  for (size_t length = low.size(); length <= high.size(); ++length) {
    const std::string from = length == low.size() ? low : "1" + std::string(length - 1, '0');
    const std::string to = length == high.size() ? high : std::string(length, '9');
    ways.push_back(SameLength(from, to, e));
  }
  return e.Choice(std::move(ways));
}

// A bound of a size, as digits before and behind the point.
struct DecimalBound {
  int64_t whole = 0;
  std::string fraction;  // without zeros at its end
  bool exclusive = false;
};

// Where digits behind the point may end: those of a number that is not whole end with one above 0.
enum class Ends : uint8_t { kAnywhere, kBehindZero, kAboveZero };

// Up to `more` digits behind the point, and behind those that say where they end.
ExprId FreeFraction(int32_t more, Ends ends, Expressions& e) {
  if (ends == Ends::kAnywhere) return AnyDigits(0, more, e);
  const ExprId some = more > 0 ? e.Sequence({AnyDigits(0, more - 1, e), Digit('1', '9', e)}) : kNoText;
  return ends == Ends::kAboveZero ? e.Optional(some) : some;
}

Ends Behind(char digit, Ends ends) {
  if (ends == Ends::kAnywhere) return ends;
  return digit > '0' ? Ends::kAboveZero : Ends::kBehindZero;
}

// Digits behind the point, at position `at`, of fractions from `low` to `high`; null: no bound on that side any more.
// `more` digits may follow.
ExprId Fraction(const DecimalBound* low, const DecimalBound* high, size_t at, int32_t more, Ends ends, Expressions& e) {
  const auto digit_of = [at](const DecimalBound& d) { return at < d.fraction.size() ? d.fraction[at] : '0'; };
  const auto over = [at](const DecimalBound& d) { return at >= d.fraction.size(); };
  if (low == nullptr && high == nullptr) return FreeFraction(more, ends, e);
  // Ending here means zeros from here on.
  const bool low_allows = low == nullptr || (over(*low) && !low->exclusive);
  const bool high_allows = high == nullptr || !over(*high) || !high->exclusive;
  std::vector<ExprId> ways;
  if (low_allows && high_allows && ends != Ends::kBehindZero) ways.push_back(kEmptyText);
  for (char digit = '0'; more > 0 && digit <= '9';) {
    const bool is_low = low != nullptr && digit == digit_of(*low),
               is_high = high != nullptr && digit == digit_of(*high);
    const bool below = low != nullptr && digit < digit_of(*low), above = high != nullptr && digit > digit_of(*high);
    char last = digit;
    if (!below && !above) {
      if (!is_low && !is_high && (digit > '0' || ends == Ends::kAnywhere)) {
        while (last < '9' && !(low != nullptr && last + 1 == digit_of(*low)) &&
               !(high != nullptr && last + 1 >= digit_of(*high))) {
          ++last;
        }
      }
      const ExprId rest =
          Fraction(is_low ? low : nullptr, is_high ? high : nullptr, at + 1, more - 1, Behind(digit, ends), e);
      ways.push_back(e.Sequence({Digit(digit, last, e), rest}));
    }
    digit = static_cast<char>(last + 1);
  }
  return e.Choice(std::move(ways));
}

// What may follow a whole part: nothing, or a point and at least one digit.
ExprId Tail(const DecimalBound* low, const DecimalBound* high, Ends ends, Expressions& e) {
  const int64_t whole = low != nullptr ? low->whole : high != nullptr ? high->whole : 0;
  const auto room =
      static_cast<int32_t>(std::max<int64_t>(1, kDigits - static_cast<int64_t>(std::to_string(whole).size())));
  std::vector<ExprId> ways;
  const bool low_allows = low == nullptr || (low->fraction.empty() && !low->exclusive);
  const bool high_allows = high == nullptr || !high->fraction.empty() || !high->exclusive;
  if (low_allows && high_allows && ends == Ends::kAnywhere) ways.push_back(kEmptyText);
  // The first digit by hand: there must be one.
  for (char digit = '0'; digit <= '9'; ++digit) {
    const auto first = [](const DecimalBound& d) { return d.fraction.empty() ? '0' : d.fraction[0]; };
    if ((low != nullptr && digit < first(*low)) || (high != nullptr && digit > first(*high))) continue;
    const ExprId rest =
        Fraction(low != nullptr && digit == first(*low) ? low : nullptr,
                 high != nullptr && digit == first(*high) ? high : nullptr, 1, room - 1, Behind(digit, ends), e);
    if (rest != kNoText) ways.push_back(e.Sequence({e.Bytes("."), Digit(digit, digit, e), rest}));
  }
  return e.Choice(std::move(ways));
}

// Sizes from `low` to `high`; null: without bound.
ExprId Sizes(const DecimalBound& low, const DecimalBound* high, Ends ends, Expressions& e) {
  constexpr int64_t kLargestWhole = 99'999'999'999'999;  // 14 digits, one behind the point
  std::vector<ExprId> ways;
  if (high != nullptr && low.whole == high->whole) {
    return e.Sequence({e.Bytes(std::to_string(low.whole)), Tail(&low, high, ends, e)});
  }
  ways.push_back(e.Sequence({e.Bytes(std::to_string(low.whole)), Tail(&low, nullptr, ends, e)}));
  if (high != nullptr) ways.push_back(e.Sequence({e.Bytes(std::to_string(high->whole)), Tail(nullptr, high, ends, e)}));
  const int64_t last = high != nullptr ? high->whole - 1 : kLargestWhole;
  // By the number of digits before the point, which leaves so many behind it.
  for (int64_t from = low.whole + 1; from <= last;) {
    const auto digits = static_cast<int32_t>(std::to_string(from).size());
    const int64_t to = std::min<int64_t>(last, std::llround(std::pow(10, digits)) - 1);
    const int32_t room = std::max(1, kDigits - digits);
    const ExprId fraction = ends == Ends::kAnywhere
                                ? e.Optional(e.Sequence({e.Bytes("."), AnyDigits(1, room, e)}))
                                : e.Sequence({e.Bytes("."), FreeFraction(room, Ends::kBehindZero, e)});
    ways.push_back(e.Sequence({Naturals(from, to, e), fraction}));
    from = to + 1;
  }
  return e.Choice(std::move(ways));
}

absl::StatusOr<DecimalBound> ToDecimalBound(const NumberBound& bound) {
  const auto value = static_cast<double>(bound.value);  // what it rounds has too many digits in any case
  std::array<char, 400> text{};
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), std::abs(value), std::chars_format::fixed);
  const std::string_view digits(text.data(), static_cast<size_t>(end - text.data()));
  const size_t point = std::min(digits.find('.'), digits.size());
  std::string fraction(point < digits.size() ? digits.substr(point + 1) : "");
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  if (error != std::errc() || !std::isfinite(value) || point > 14 ||
      point + fraction.size() > static_cast<size_t>(kDigits)) {
    std::array<char, 32> shortest{};
    char *const begin = shortest.data(), *const after = begin + shortest.size();
    // As the client wrote it: of a double that is its shortest form.
    const bool is_double = bound.value == static_cast<ExactNumber>(value);
    const auto written = is_double ? std::to_chars(begin, after, value) : std::to_chars(begin, after, bound.value);
    return absl::InvalidArgumentError(absl::StrCat(
        "has the bound ", absl::string_view(shortest.data(), static_cast<size_t>(written.ptr - shortest.data())),
        ": bounds must have at most 14 digits before the point and 15 in all"));
  }
  return DecimalBound{.whole = std::stoll(std::string(digits.substr(0, point))),
                      .fraction = std::move(fraction),
                      .exclusive = bound.exclusive};
}

}  // namespace

ExprId IntegersBetween(int64_t least, int64_t most, Expressions& e) {
  least = std::max(least, -kLargest);
  most = std::min(most, kLargest);
  if (least > most) return kNoText;
  std::vector<ExprId> ways;
  if (least < 0) ways.push_back(e.Sequence({e.Bytes("-"), Naturals(std::max<int64_t>(1, -most), -least, e)}));
  if (most >= 0) ways.push_back(Naturals(std::max<int64_t>(0, least), most, e));
  return e.Choice(std::move(ways));
}

ExprId MultiplesOf(int64_t step, std::optional<int64_t> least, Expressions& e) {
  // A rule for every remainder of the digits so far; the remainder 0 may end.
  std::vector<RuleId> rules(static_cast<size_t>(step));
  for (RuleId& rule : rules) rule = e.NewRule();
  const auto behind = [&](int64_t remainder, char digit) {
    const auto next = static_cast<size_t>((remainder * 10 + (digit - '0')) % step);
    return e.Sequence({Digit(digit, digit, e), e.Reference(rules[next])});
  };
  for (int64_t r = 0; r < step; ++r) {
    std::vector<ExprId> ways;
    if (r == 0) ways.push_back(kEmptyText);
    for (char digit = '0'; digit <= '9'; ++digit) ways.push_back(behind(r, digit));
    e.Define(rules[static_cast<size_t>(r)], e.Choice(std::move(ways)));
  }
  std::vector<ExprId> positive;
  for (char digit = '1'; digit <= '9'; ++digit) positive.push_back(behind(0, digit));
  const ExprId more = e.Choice(std::move(positive));
  if (least && *least > 0) return more;
  if (least) return e.Choice({e.Bytes("0"), more});
  return e.Choice({e.Bytes("0"), e.Sequence({e.Optional(e.Bytes("-")), more})});
}

absl::StatusOr<ExprId> NumbersBetween(std::optional<NumberBound> least, std::optional<NumberBound> most,
                                      NumberKind kind, JsonParts& json, Expressions& e) {
  if (!least && !most && kind == NumberKind::kAny) return json.Number();
  if (least && most &&
      (least->value > most->value || (least->value == most->value && (least->exclusive || most->exclusive)))) {
    return kNoText;
  }
  const Ends ends = kind == NumberKind::kFraction ? Ends::kBehindZero : Ends::kAnywhere;
  // No number that is made is as large, so that bounds beyond keep none back.
  constexpr ExactNumber kBeyond = 1e14L;
  const bool holds_least = least && least->value > -kBeyond, holds_most = most && most->value < kBeyond;
  const DecimalBound zero;
  const DecimalBound above_zero{.exclusive = true};
  std::vector<ExprId> ways;
  // Below zero, sizes grow the other way.
  if (!least || least->value < 0) {
    DecimalBound low = above_zero, high;
    if (most && most->value < 0) {
      BATUCADA_ASSIGN_OR_RETURN(low, ToDecimalBound(*most));
    }
    if (holds_least) {
      BATUCADA_ASSIGN_OR_RETURN(high, ToDecimalBound(*least));
    }
    ways.push_back(e.Sequence({e.Bytes("-"), Sizes(low, holds_least ? &high : nullptr, ends, e)}));
  }
  if (!most || most->value > 0 || (most->value == 0 && !most->exclusive)) {
    DecimalBound low = zero, high;
    if (least && least->value >= 0) {
      BATUCADA_ASSIGN_OR_RETURN(low, ToDecimalBound(*least));
    }
    if (holds_most) {
      BATUCADA_ASSIGN_OR_RETURN(high, ToDecimalBound(*most));
    }
    ways.push_back(Sizes(low, holds_most ? &high : nullptr, ends, e));
  }
  return e.Choice(std::move(ways));
}

}  // namespace batucada::grammar
