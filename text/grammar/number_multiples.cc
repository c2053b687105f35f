#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/grammar/number_range.h"

namespace batucada::grammar {
namespace {

constexpr int64_t kMostNamed = 2000;  // multiples that are written out
constexpr int kMostPlaces = 15;       // behind the point

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

}  // namespace

absl::StatusOr<ExprId> MultiplesWithin(double step, bool whole, const NumberRange& range, Expressions& e) {
  BATUCADA_ASSIGN_OR_RETURN(const Step decimal, ToStep(step));
  int64_t scale = 1;
  for (int i = 0; i < decimal.places; ++i) scale *= 10;
  const int64_t shared = std::gcd(decimal.digits, scale), least_whole = decimal.digits / shared;
  // Those that are written out: first * unit to last * unit, in units of 10^-places.
  const auto named = [&](int64_t unit, int places, int64_t first, int64_t last) {
    std::vector<ExprId> ways;
    for (int64_t k = first; k <= last; ++k) {
      const std::string text = Write(k * unit, places);
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
  if (!whole && scale / shared > 1 && range.least && range.most) {
    const ExactNumber first = std::floor(range.least->value / step), last = std::ceil(range.most->value / step);
    const ExactNumber largest = std::max(std::abs(first), std::abs(last)) * static_cast<ExactNumber>(decimal.digits);
    if (last - first <= static_cast<ExactNumber>(kMostNamed) && largest < 1e15L) {
      return named(decimal.digits, decimal.places, static_cast<int64_t>(first), static_cast<int64_t>(last));
    }
  }
  if (range.low > range.high) return kNoText;
  if (range.bounded) {
    const int64_t first = range.low >= 0 ? (range.low + least_whole - 1) / least_whole : -(-range.low / least_whole),
                  last = range.high >= 0 ? range.high / least_whole : -((-range.high + least_whole - 1) / least_whole);
    if (last - first <= kMostNamed) return named(least_whole, 0, first, last);
    return absl::InvalidArgumentError(
        Concat("is not supported beside bounds that more than ", kMostNamed, " of its multiples keep"));
  }
  const std::optional<int64_t> least = range.least ? std::optional(range.low) : std::nullopt;
  const int64_t quotient = scale / shared;
  const bool even = (quotient & (quotient - 1)) == 0;  // halves, quarters and so on divide alike everywhere
  if (least_whole <= kMostStep && (even || (step < 1 && IsNear(Write(decimal.digits, decimal.places), step)))) {
    return MultiplesOf(least_whole, least, e);
  }
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
