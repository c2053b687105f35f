// The small words of HTTP's grammar.
#pragma once

#include <string_view>

namespace batucada {

// RFC 9110 §5.6.2: the name of a method, a header or a coding.
bool IsToken(std::string_view text);

// RFC 3986 §3.2: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port; no user before it.
bool IsHost(std::string_view authority);

// What of `authority` is not the port: "[::1]" of "[::1]:8000".
std::string_view HostWithoutPort(std::string_view authority);

}  // namespace batucada
