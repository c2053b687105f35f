#include "server/http/router.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "absl/strings/ascii.h"
#include "base/json.h"
#include "server/http/not_offered.h"

namespace batucada {
namespace {

// Whether the path is the pattern, with something in every wildcard's place. The last wildcard takes as little as it
// can, for names may hold slashes but what follows them is fixed.
bool MatchPath(std::string_view pattern, std::string_view path, std::vector<std::string>* captures) {
  const size_t star = pattern.rfind('*');
  if (star == std::string_view::npos) return pattern == path;
  const std::string_view suffix = pattern.substr(star + 1);
  if (!path.ends_with(suffix)) return false;
  path.remove_suffix(suffix.size());
  const std::string_view before = pattern.substr(0, star);
  const size_t literal = before.rfind('*') == std::string_view::npos ? 0 : before.rfind('*') + 1;
  const std::string_view lead = before.substr(literal);  // between this wildcard and the one before
  const size_t at = literal == 0 ? (path.starts_with(lead) ? 0 : std::string_view::npos) : path.rfind(lead);
  if (at == std::string_view::npos || at + lead.size() >= path.size()) return false;
  if (literal > 0 && !MatchPath(before.substr(0, literal), path.substr(0, at), captures)) return false;
  captures->emplace_back(path.substr(at + lead.size()));
  return true;
}

// The route without wildcards at whose path this one ends, behind a few of its parts: for base URLs that have too much
// in them. Empty if there is none.
std::string_view EndOf(std::string_view path, const std::vector<Route>& routes) {
  constexpr int kMostParts = 8;
  size_t at = 0;
  for (int i = 0; i < kMostParts; ++i) {
    at = path.find('/', at + 1);
    if (at == std::string_view::npos || at + 1 >= path.size()) return {};
    for (const Route& route : routes) {
      if (route.path == path.substr(at)) return route.path;
    }
  }
  return {};
}

// False if an escape is cut short, not hexadecimal or a NUL.
bool Decode(std::string_view text, char slash, std::string* out) {
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
    const char c = static_cast<char>(high * 16 + low);
    *out += c == '/' ? slash : c;
    i += 2;
  }
  return true;
}

// As the client wrote it.
std::string WithEscapedSlashes(std::string_view path) {
  std::string text;
  for (const char c : path) c == kEscapedSlash ? text += "%2F" : text += c;
  return text;
}

}  // namespace

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  if (method == "OPTIONS" && path == "*") {
    return {.error = {.content_type = "", .headers = {{"allow", "DELETE, GET, HEAD, OPTIONS, POST"}}}};
  }
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::string_view pattern;  // the first that matches; later ones only look as if they did
  std::vector<std::string> allowed;
  std::optional<ErrorForm> form;  // that of what is there under another method
  for (const Route& route : routes_) {
    if (!pattern.empty() && route.path != pattern) continue;
    std::vector<std::string> captures;
    if (!MatchPath(route.path, path, &captures)) continue;
    if (route.method == wanted) {
      for (std::string& capture : captures) capture = PlainPath(capture);
      return {.route = &route, .error_form = route.error_form, .error = {}, .captures = std::move(captures)};
    }
    if (pattern.empty()) form = route.error_form;
    pattern = route.path;
    allowed.push_back(route.method);
    if (route.method == "GET") allowed.emplace_back("HEAD");
  }
  const std::string plain = PlainPath(path), written = WithEscapedSlashes(path);
  if (allowed.empty()) {
    form = ErrorFormFor(plain);
    std::vector<std::string> captures;
    const bool has_route = std::any_of(routes_.begin(), routes_.end(), [&](const Route& route) {
      return path != plain && MatchPath(route.path, plain, &captures);
    });
    const std::string_view meant = has_route ? std::string_view(plain) : EndOf(path, routes_);
    return {.error_form = *form, .error = ErrorResponse(404, NotOffered(written, meant), "not_found", *form)};
  }
  const std::string methods = fmt::format("{}", fmt::join(allowed, ", "));
  const std::string missing = MethodNotOffered(method, written);
  Match match = {.error_form = *form,
                 .error = ErrorResponse(405,
                                        missing.empty() ? fmt::format("{} does not take {}: use {}", Printable(written),
                                                                      Printable(method), methods)
                                                        : missing,
                                        "method_not_allowed", *form)};
  match.error.headers.emplace_back("allow", methods);
  return match;
}

ErrorForm Router::ErrorFormFor(std::string_view path) const {
  // Of the route that has most parts of the path in common with it, the first of them.
  const auto in_common = [path = path.substr(0, path.find('?'))](std::string_view route) {
    size_t parts = 0;
    for (size_t at = 0; at < std::min(path.size(), route.size());) {
      const size_t end = std::min(path.find('/', at + 1), path.size());
      if (route.substr(0, end) != path.substr(0, end) || (end < route.size() && route[end] != '/')) break;
      ++parts;
      at = end;
    }
    return parts;
  };
  ErrorForm form = ErrorForm::kOpenAi;
  size_t most = 0;
  for (const Route& route : routes_) {
    const size_t parts = in_common(route.path);
    if (parts <= most) continue;
    most = parts;
    form = route.error_form;
  }
  return form;
}

bool PercentDecode(std::string_view text, std::string* out) { return Decode(text, '/', out); }
bool DecodePath(std::string_view text, std::string* out) { return Decode(text, kEscapedSlash, out); }

std::string PlainPath(std::string_view path) {
  std::string plain(path);
  std::replace(plain.begin(), plain.end(), kEscapedSlash, '/');
  return plain;
}

}  // namespace batucada
