// The server under load.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "absl/status/statusor.h"

namespace batucada::loadtest {

struct Target {
  std::string host;  // as in the URL, without brackets
  std::string port;
  std::string prefix;                                     // of every path: "" or "/openai"
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;  // what host and port resolve to, never empty

  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain

  std::string HostHeader() const;
};

enum class Certificates : uint8_t { kCheck, kTrustAll };

// http://localhost:8000/prefix or https, port and prefix optional; a prefix's "/v1" is dropped, for the paths below
// bring their own. Resolves the name once, so that no request waits for it. INVALID_ARGUMENT: the URL; UNAVAILABLE: the
// name.
absl::StatusOr<Target> ResolveTarget(std::string_view url, Certificates certificates = Certificates::kCheck);

}  // namespace batucada::loadtest
