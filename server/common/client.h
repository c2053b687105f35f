// Who sends a request, and what it may do besides asking.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/core/request.h"

namespace batucada {

// What a client's key gives it, or the lack of one.
struct ClientRights {
  Priority most_urgent = 0;  // the smallest number that its requests' priority counts as: a smaller one becomes this
  bool admin = false;        // may change how the server works (/admin)

  bool operator==(const ClientRights&) const = default;
};

struct Client {
  uint64_t key = 0;         // names the key it presented, also after a restart; 0: none is needed
  uint64_t address = 0;     // names the machine it comes from, as far as the connection tells
  uint64_t connection = 0;  // names its connection
  bool loopback = false;    // it comes from this machine itself, or through a proxy on it
  ClientRights rights = {};

  // Whose requests are one client's. Connections are no measure: anybody may open many.
  uint64_t id() const { return key != 0 ? key : address; }
};

// Who is at the other end of a connection, before a key is known. Addresses of one IPv6 /64 are one machine's.
Client ClientAt(std::string_view address, uint16_t port);

}  // namespace batucada
