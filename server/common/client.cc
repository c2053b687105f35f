#include "server/common/client.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <string>

#include "absl/hash/hash.h"

namespace batucada {
namespace {

// What belongs to one customer: an IPv4 address, or the /64 that a host of IPv6 chooses its addresses from.
std::string NetworkOf(const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
  const in6_addr parsed = [&bytes] {
    in6_addr six;
    std::memcpy(&six, bytes.data(), sizeof(six));
    return six;
  }();
  if (IN6_IS_ADDR_V4MAPPED(&parsed)) {
    std::array<char, INET_ADDRSTRLEN> text{};
    inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
    return text.data();
  }
  return {bytes.begin(), bytes.begin() + 8};
}

}  // namespace

Client ClientAt(std::string_view address, uint16_t port) {
  const std::string whole(address);
  const std::string network = NetworkOf(whole);
  return {.address = absl::HashOf(network),
          .connection = absl::HashOf(whole, port),
          .loopback = network.starts_with("127.") || whole == "::1"};
}

}  // namespace batucada
