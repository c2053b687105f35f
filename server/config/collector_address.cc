#include "server/config/collector_address.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace batucada {

absl::StatusOr<CollectorAddress> ParseCollectorAddress(std::string_view url) {
  const auto wrong = [url](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("--otlp-endpoint is '{}': it must be like http://localhost:4318, {}", url, why));
  };
  constexpr std::string_view kScheme = "http://";
  if (url.substr(0, kScheme.size()) != kScheme) {
    return wrong("without TLS; where spans must be encrypted or carry a key, send them to a collector nearby");
  }
  std::string_view rest = url.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash), path = rest.substr(slash);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  CollectorAddress address;
  const size_t bracket = authority.substr(0, 1) == "[" ? authority.find(']') : authority.npos;
  const size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  address.host = authority.substr(0, colon);
  if (bracket != authority.npos) address.host = authority.substr(1, bracket - 1);
  if (colon != authority.npos) address.port = authority.substr(colon + 1);
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (address.host.empty()) return wrong("and names no host");
  constexpr int kMostPort = 65535;
  const bool number = !address.port.empty() && address.port.size() <= 5 &&
                      std::all_of(address.port.begin(), address.port.end(), is_digit);
  if (const int port = number ? std::stoi(address.port) : 0; port < 1 || port > kMostPort) {
    return wrong("and its port is no number from 1 to 65535");
  }
  if (rest.find_first_of(" \t\r\n?#@") != rest.npos) return wrong("without a query, a user or spaces");
  address.target = std::string(path) + "/v1/traces";
  return address;
}

}  // namespace batucada
