#include "server/http/gate.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/common/error.h"
#include "server/http/grammar.h"

namespace batucada {
namespace {

constexpr std::string_view kAnyOrigin = "*";
// Browsers ask once for so many seconds.
constexpr char kPreflightMaxAge[] = "600";
// Of a preflight's list of headers: OpenAI's clients name about ten of their own, and a dozen more would still do.
constexpr size_t kMaxHeaderNames = 1024;

// What a page's requests may carry: the headers that this server knows, and what else the page's client asks for.
// OpenAI's sends a dozen of its own, and those that the server does not know have no effect.
std::string AllowedHeaders(std::string_view wanted) {
  std::string allowed = "authorization, content-type, traceparent, x-request-id";
  if (wanted.size() > kMaxHeaderNames) return allowed;
  for (absl::string_view name : absl::StrSplit(absl::string_view(wanted.data(), wanted.size()), ',')) {
    name = absl::StripAsciiWhitespace(name);
    if (IsToken({name.data(), name.size()})) absl::StrAppend(&allowed, ", ", name);
  }
  return allowed;
}

// Whether an Authorization header tells that key.
bool IsBearerOf(std::string_view header, std::string_view key) {
  constexpr std::string_view kScheme = "Bearer ";
  return header.size() == kScheme.size() + key.size() &&
         absl::EqualsIgnoreCase(absl::string_view(header.data(), kScheme.size()),
                                absl::string_view(kScheme.data(), kScheme.size())) &&
         header.substr(kScheme.size()) == key;
}

absl::Status Unauthenticated(bool presented) {
  return WithParameter(absl::UnauthenticatedError(presented ? "the API key is not one of this server's"
                                                            : "an API key is needed: send 'Authorization: Bearer KEY'"),
                       "", presented ? "invalid_api_key" : "missing_api_key");
}

}  // namespace

bool Gate::AllowsAll() const {
  return origins_.empty() || std::find(origins_.begin(), origins_.end(), kAnyOrigin) != origins_.end();
}

bool Gate::AllowsOrigin(std::string_view origin) const {
  return cross_origin() && !origin.empty() &&
         (AllowsAll() || std::find(origins_.begin(), origins_.end(), origin) != origins_.end());
}

// A preflight carries no key. What it allows depends on the page alone, so nothing is given away.
std::optional<HttpResponse> Gate::StopPreflight(const HttpRequest& request) const {
  const std::string_view origin = request.Header("origin");
  // The port of health has no pages to let in.
  if (!cross_origin() && place_ == AdminPlace::kHealthPort) return std::nullopt;
  if (origin.empty() || request.Header("access-control-request-method").empty()) return std::nullopt;
  if (!AllowsOrigin(origin)) {
    return ErrorResponse(
        403,
        absl::StrCat("pages of the origin '", absl::CHexEscape(absl::string_view(origin.data(), origin.size())),
                     "' may not ask this server: --cors-origin names those that may"),
        "origin_not_allowed", request.error_form);
  }
  HttpResponse response = {.content_type = ""};
  response.headers.emplace_back("access-control-allow-methods", "GET, POST, DELETE");
  response.headers.emplace_back("access-control-allow-headers",
                                AllowedHeaders(request.Header("access-control-request-headers")));
  response.headers.emplace_back("access-control-max-age", kPreflightMaxAge);
  return response;
}

std::optional<HttpResponse> Gate::Stop(HttpRequest* request, const Route* route) const {
  // What a server or a path can do is asked without a key; the router knows.
  if (request->method == "OPTIONS") return StopPreflight(*request);
  const std::string_view header = request->Header("authorization");
  const std::string_view key = request->Header("x-api-key");  // as Anthropic's clients send it
  const bool by_key = header.empty() && !key.empty();
  const std::optional<Client> client = by_key ? keys_.Find(key) : keys_.FindAuthorization(header);
  if (client) {
    request->client.key = client->key;
    request->client.rights = client->rights;
  }
  const Access access = route != nullptr ? route->access : Access::kKey;
  const bool keyed = access == Access::kKey || access == Access::kAdmin;
  if (keyed && keys_.required() && !header.empty() && !key.empty() && !IsBearerOf(header, key)) {
    return ErrorResponse(400, "Authorization and x-api-key hold different keys: send one of them", "several_api_keys",
                         request->error_form);
  }
  if (access == Access::kAdmin) {
    const bool local = place_ == AdminPlace::kHealthPort && request->client.loopback;
    if (client || local) return RefuseAdmin(*request, {.keys_required = keys_.required(), .place = place_});
  } else if (client || access != Access::kKey || place_ == AdminPlace::kHealthPort) {
    return std::nullopt;
  }
  HttpResponse response = ErrorResponse(Unauthenticated(by_key || !header.empty()), request->error_form);
  response.headers.emplace_back("www-authenticate", "Bearer");
  return response;
}

Headers Gate::AnswerHeaders(const HttpRequest& request, const Route* route) const {
  if (!cross_origin()) return {};
  // Origins that were named may read everything, except how the server is run; others what takes a key.
  const Access access = route != nullptr ? route->access : Access::kKey;
  if (access == Access::kAdmin || (origins_.empty() && access != Access::kKey)) return {};
  Headers headers;
  if (!AllowsAll()) headers.emplace_back("vary", "origin");
  const std::string_view origin = request.Header("origin");
  if (!AllowsOrigin(origin)) return headers;
  headers.emplace_back("access-control-allow-origin", AllowsAll() ? kAnyOrigin : origin);
  headers.emplace_back("access-control-expose-headers",
                       "request-id, retry-after, server-timing, x-ignored-parameters, x-request-id");
  return headers;
}

}  // namespace batucada
