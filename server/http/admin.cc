#include "server/http/admin.h"

#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/strings.h"
#include "server/http/grammar.h"

namespace batucada {
namespace {

// Whether a page of another site sent it. Browsers say so by themselves, and pages cannot unsay it.
bool IsCrossSite(const HttpRequest& request) {
  const std::string_view fetch = request.Header("sec-fetch-site");
  if (!fetch.empty() && fetch != "same-origin" && fetch != "none") return true;
  const std::string_view origin = request.Header("origin");
  if (origin.empty()) return false;
  const size_t scheme = origin.find("://");
  return scheme == origin.npos ||
         !absl::EqualsIgnoreCase(ToAbsl(origin.substr(scheme + 3)), ToAbsl(request.Header("host")));
}

bool IsLoopbackHost(std::string_view authority) {
  const std::string_view host = HostWithoutPort(authority);
  const absl::string_view name = ToAbsl(host);
  if (host.starts_with("127.")) return host.find_first_not_of("0123456789.") == host.npos;
  return host == "[::1]" || absl::EqualsIgnoreCase(name, "localhost") || absl::EndsWithIgnoreCase(name, ".localhost");
}

bool IsForSomebodyElse(const HttpRequest& request) {
  for (const std::string_view header : {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"}) {
    if (!request.Header(header).empty()) return true;
  }
  return false;
}

bool IsJson(std::string_view content_type) {
  const absl::string_view type = absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';'))));
  return absl::EqualsIgnoreCase(type, "application/json");
}

HttpResponse Forbid(std::string_view message, std::string_view code) { return ErrorResponse(403, message, code); }

}  // namespace

std::optional<HttpResponse> RefuseAdmin(const HttpRequest& request, const AdminTerms& terms) {
  if (IsCrossSite(request))
    return Forbid("a page of another site may not administer this server", "cross_site_request");
  // A form of another site can send other types without asking first.
  if (request.method == "POST" && !IsJson(request.Header("content-type"))) {
    return ErrorResponse(415, "administration takes JSON: send 'Content-Type: application/json'", "json_needed");
  }
  if (request.client.rights.admin) return std::nullopt;
  if (terms.keys_required && terms.place == AdminPlace::kClientsPort) {
    return Forbid("administration needs a key with the right 'admin': see --api-key", "admin_key_needed");
  }
  if (!request.client.loopback || IsForSomebodyElse(request)) {
    return Forbid("administration is for this machine itself, or for a key with the right 'admin': see --api-key",
                  "admin_only");
  }
  if (!IsLoopbackHost(request.Header("host"))) {
    return Forbid("administration from this machine asks for localhost: the Host header names another",
                  "admin_host_not_local");
  }
  return std::nullopt;
}

}  // namespace batucada
