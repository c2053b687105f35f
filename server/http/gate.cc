#include "server/http/gate.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/error.h"

namespace batucada {
namespace {

constexpr std::string_view kAnyOrigin = "*";
// Browsers ask once for so many seconds.
constexpr char kPreflightMaxAge[] = "600";
// Of a preflight's list of headers: OpenAI's clients name about ten of their own, and a dozen more would still do.
constexpr size_t kMaxHeaderNames = 1024;

// RFC 9110 §5.6.2.
bool IsToken(absl::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != kMarks.npos;
  });
}

// What a page's requests may carry: the headers that this server knows, and what else the page's client asks for.
// OpenAI's sends a dozen of its own, and those that the server does not know have no effect.
std::string AllowedHeaders(std::string_view wanted) {
  std::string allowed = "authorization, content-type, traceparent, x-request-id";
  if (wanted.size() > kMaxHeaderNames) return allowed;
  for (absl::string_view name : absl::StrSplit(absl::string_view(wanted.data(), wanted.size()), ',')) {
    name = absl::StripAsciiWhitespace(name);
    if (IsToken(name)) absl::StrAppend(&allowed, ", ", name);
  }
  return allowed;
}

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

std::optional<HttpResponse> Gate::Stop(HttpRequest* request, const Route* route) const {
  const std::string_view wanted = request->Header("access-control-request-method");
  if (request->method == "OPTIONS" && !wanted.empty() && AllowsOrigin(request->Header("origin"))) {
    // A preflight carries no key. What it allows depends on the page alone, so nothing is given away.
    HttpResponse response = {.content_type = ""};
    response.headers.emplace_back("access-control-allow-methods", "GET, POST");
    response.headers.emplace_back("access-control-allow-headers",
                                  AllowedHeaders(request->Header("access-control-request-headers")));
    response.headers.emplace_back("access-control-max-age", kPreflightMaxAge);
    return response;
  }
  const std::string_view header = request->Header("authorization");
  if (const std::optional<Client> client = keys_.FindAuthorization(header)) {
    request->client.key = client->key;
    request->client.rights = client->rights;
    return std::nullopt;
  }
  if (route != nullptr && route->access == Access::kOpen) return std::nullopt;
  HttpResponse response = ErrorResponse(Unauthenticated(!header.empty()), ErrorFormOf(request->path));
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
