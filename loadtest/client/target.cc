#include "loadtest/client/target.h"

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace batucada::loadtest {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;

namespace {

std::shared_ptr<ssl::context> MakeTls(Certificates certificates) {
  auto tls = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code ignored;  // without the system's roots every certificate is refused, and that is said
  tls->set_default_verify_paths(ignored);
  const bool check = certificates == Certificates::kCheck;
  tls->set_verify_mode(check ? ssl::verify_peer : ssl::verify_none, ignored);
  return tls;
}

}  // namespace

std::string Target::HostHeader() const {
  const std::string shown = absl::StrContains(host, ':') ? fmt::format("[{}]", host) : host;
  return port == (tls ? "443" : "80") ? shown : fmt::format("{}:{}", shown, port);
}

absl::StatusOr<Target> ResolveTarget(std::string_view url, Certificates certificates) {
  const auto wrong = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("--url is '{}': {}; give something like http://127.0.0.1:8000", url, why));
  };
  std::string_view rest = url;
  const bool tls = rest.starts_with("https://");
  if (!tls && !rest.starts_with("http://")) return wrong("it must begin with http:// or https://");
  rest.remove_prefix(tls ? 8 : 7);
  Target target;
  if (tls) target.tls = MakeTls(certificates);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view prefix = rest.substr(slash);
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.ends_with("/v1")) prefix.remove_suffix(3);
  if (prefix.find_first_of(" ?#\r\n") != prefix.npos) return wrong("its path has a character that no path has");
  target.prefix = prefix;
  rest = rest.substr(0, slash);
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
  if (bracket == rest.npos) return wrong("a bracket is not closed");
  const size_t colon = rest.find(':', bracket);
  target.host = rest.substr(0, colon);
  target.port = colon == rest.npos ? (tls ? "443" : "80") : std::string(rest.substr(colon + 1));
  if (bracket > 0) target.host = target.host.substr(1, bracket - 1);
  if (target.host.empty() || target.port.empty()) return wrong("host or port is empty");
  boost::asio::io_context context;
  boost::system::error_code error;
  const auto found = tcp::resolver(context).resolve(target.host, target.port, error);
  for (const auto& entry : found) target.endpoints.push_back(entry.endpoint());
  if (error || target.endpoints.empty()) {
    return absl::UnavailableError(fmt::format("--url {}: cannot find {}: {}", url, target.host, error.message()));
  }
  return target;
}

}  // namespace batucada::loadtest
