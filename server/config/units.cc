#include "server/config/units.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace batucada {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};

constexpr double kKibi = 1024, kKilo = 1000;
constexpr std::array<Unit, 14> kUnits = {{{"", 1},
                                          {"b", 1},
                                          {"k", kKibi},
                                          {"kib", kKibi},
                                          {"kb", kKilo},
                                          {"m", kKibi* kKibi},
                                          {"mib", kKibi* kKibi},
                                          {"mb", kKilo* kKilo},
                                          {"g", kKibi* kKibi* kKibi},
                                          {"gib", kKibi* kKibi* kKibi},
                                          {"gb", kKilo* kKilo* kKilo},
                                          {"t", kKibi* kKibi* kKibi* kKibi},
                                          {"tib", kKibi* kKibi* kKibi* kKibi},
                                          {"tb", kKilo* kKilo* kKilo* kKilo}}};

}  // namespace

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  const absl::Status wrong =
      absl::InvalidArgumentError(fmt::format("'{}' is not a size: write for example 512MiB, 4GiB or 1000000", text));
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  if (digits == 0 || !absl::SimpleAtod(absl::string_view(text.data(), digits), &number)) return wrong;
  const std::string unit_name =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(absl::string_view(text.data() + digits, text.size() - digits)));
  for (const Unit& unit : kUnits) {
    if (unit.name != unit_name) continue;
    const double bytes = number * unit.bytes;
    if (bytes > 9.0e18) return absl::InvalidArgumentError(fmt::format("'{}' is too large a size", text));
    return static_cast<int64_t>(std::llround(bytes));
  }
  return wrong;
}

std::string FormatBytes(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kNames.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", bytes, kNames[unit]);
}

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  absl::Duration duration;
  const bool parsed = absl::ParseDuration(absl::string_view(text.data(), text.size()), &duration);
  if (!parsed || text.find("inf") != text.npos) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not a duration: write for example 500ms, 30s or 2m", text));
  }
  if (duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(fmt::format("'{}' is negative: a duration is 0 or more", text));
  }
  if (duration > kLongestDuration) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is too long a duration: at most {}", text, batucada::FormatDuration(kLongestDuration)));
  }
  return duration;
}

std::string FormatDuration(absl::Duration duration) { return absl::FormatDuration(duration); }

}  // namespace batucada
