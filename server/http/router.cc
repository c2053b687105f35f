#include "server/http/router.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "absl/strings/ascii.h"
#include "engine/model/json.h"

namespace batucada {
namespace {

// The part after the prefix, or nothing if the path does not match.
std::optional<std::string_view> MatchPath(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
  pattern.remove_suffix(1);
  if (!path.starts_with(pattern) || path.size() == pattern.size()) return std::nullopt;
  return path.substr(pattern.size());
}

}  // namespace

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::vector<std::string> allowed;
  for (const Route& route : routes_) {
    const std::optional<std::string_view> tail = MatchPath(route.path, path);
    if (!tail) continue;
    if (route.method == wanted) return {.route = &route, .tail = std::string(*tail)};
    allowed.push_back(route.method);
  }
  if (allowed.empty()) {
    return {.error = ErrorResponse(404, fmt::format("there is nothing at {}", Printable(path)), "not_found")};
  }
  const std::string methods = fmt::format("{}", fmt::join(allowed, ", "));
  Match match = {.error = ErrorResponse(
                     405, fmt::format("{} does not take {}: use {}", Printable(path), Printable(method), methods),
                     "method_not_allowed")};
  match.error.headers.emplace_back("allow", methods);
  return match;
}

bool PercentDecode(std::string_view text, std::string* out) {
  const auto digit = [](char c) {
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    if (lower >= '0' && lower <= '9') return lower - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return false;
    *out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

}  // namespace batucada
