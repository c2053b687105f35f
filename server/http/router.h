// Which handler answers which method and path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "server/http/http.h"

namespace batucada {

// Who may use a route.
enum class Access : uint8_t {
  kKey,     // who has a key, when keys are required
  kOpen,    // everybody
  kHealth,  // everybody, also when there is no room for another connection
  kAdmin,   // administrators: see http/admin.h
};

struct Route {
  std::string method;  // "GET" also answers HEAD
  std::string path;    // exact, but that each * takes one character or more, slashes too: HttpRequest::captures
  std::string name;    // the endpoint's label in metrics and logs
  Handler handler;
  Access access = Access::kKey;
  ErrorForm error_form = ErrorForm::kOpenAi;
  boost::json::object operation = {};  // what /openapi.json says of it
};

// Constant after the last Add; then thread-safe.
class Router {
 public:
  void Add(Route route) { routes_.push_back(std::move(route)); }
  const std::vector<Route>& routes() const { return routes_; }

  struct Match {
    const Route* route = nullptr;
    ErrorForm error_form = ErrorForm::kOpenAi;  // the route's; without one, see ErrorFormFor
    HttpResponse error;  // if there is no route: 404, 405 with the methods that are allowed, or 200 to "OPTIONS *"
    std::vector<std::string> captures;
  };
  // The path as ReadHead has it: without a slash at its end, and with kEscapedSlash, which only wildcards take.
  Match Find(std::string_view method, std::string_view path) const;
  // Of errors about a path that is no route's, or of which no more was read than its beginning: as of the first route
  // with the same first segment, so that clients of an API can read what it does not have.
  ErrorForm ErrorFormFor(std::string_view path) const;

 private:
  std::vector<Route> routes_;  // few: a scan is as fast as a map; the first path that matches is it
};

// "%41%2f" becomes "A/". False if an escape is cut short, not hexadecimal or a NUL.
bool PercentDecode(std::string_view text, std::string* out);

// What stands for an escaped slash in a path that is to be matched: it is a part of a name (RFC 3986 §2.2), so that
// whoever guards paths in front of this server sees the same ones. Nothing else decodes to a NUL.
inline constexpr char kEscapedSlash = '\0';
// The same, but that "%2f" becomes kEscapedSlash.
bool DecodePath(std::string_view text, std::string* out);
// With slashes in the place of kEscapedSlash.
std::string PlainPath(std::string_view path);

}  // namespace batucada
