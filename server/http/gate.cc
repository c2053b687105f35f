#include "server/http/gate.h"

#include <algorithm>

#include "absl/status/status.h"
#include "server/error.h"

namespace batucada {
namespace {

constexpr std::string_view kAnyOrigin = "*";
// Browsers ask once for so many seconds.
constexpr char kPreflightMaxAge[] = "600";

absl::Status Unauthenticated(bool presented) {
  return WithParameter(absl::UnauthenticatedError(presented ? "the API key is not one of this server's"
                                                            : "an API key is needed: send 'Authorization: Bearer KEY'"),
                       "", presented ? "invalid_api_key" : "missing_api_key");
}

}  // namespace

bool Gate::AllowsOrigin(std::string_view origin) const {
  return !origin.empty() && std::any_of(origins_.begin(), origins_.end(), [origin](const std::string& allowed) {
    return allowed == kAnyOrigin || allowed == origin;
  });
}

std::optional<HttpResponse> Gate::Stop(const HttpRequest& request, const Route* route) const {
  const std::string_view wanted = request.Header("access-control-request-method");
  if (request.method == "OPTIONS" && !wanted.empty() && AllowsOrigin(request.Header("origin"))) {
    // A preflight carries no key. What it allows depends on the origin alone, so nothing is given away.
    HttpResponse response = {.content_type = ""};
    response.headers.emplace_back("access-control-allow-methods", "GET, POST");
    response.headers.emplace_back("access-control-allow-headers",
                                  "authorization, content-type, traceparent, x-request-id");
    response.headers.emplace_back("access-control-max-age", kPreflightMaxAge);
    return response;
  }
  if (!keys_.required() || (route != nullptr && route->access == Access::kOpen)) return std::nullopt;
  const std::string_view header = request.Header("authorization");
  if (keys_.AcceptAuthorization(header)) return std::nullopt;
  HttpResponse response = ErrorResponse(Unauthenticated(!header.empty()));
  response.headers.emplace_back("www-authenticate", "Bearer");
  return response;
}

Headers Gate::AnswerHeaders(const HttpRequest& request) const {
  if (origins_.empty()) return {};
  Headers headers = {{"vary", "origin"}};
  const std::string_view origin = request.Header("origin");
  if (!AllowsOrigin(origin)) return headers;
  const bool any = std::find(origins_.begin(), origins_.end(), kAnyOrigin) != origins_.end();
  headers.emplace_back("access-control-allow-origin", any ? kAnyOrigin : origin);
  headers.emplace_back("access-control-expose-headers", "retry-after, server-timing, x-request-id");
  return headers;
}

}  // namespace batucada
