// What no server should be sent, and every server will be.
#pragma once

#include <string>
#include <string_view>

#include "loadtest/client/exchange.h"
#include "loadtest/random.h"

namespace batucada::loadtest {

// Bytes that are no request, or one with something wrong; `sound` is a request that is right.
std::string GarbageRequest(std::string_view sound, Random& random);

// A request with something in it far beyond every limit: line, headers, body, counts, nesting. Up to 32 MiB.
std::string OversizeRequest(const RequestHead& head, std::string_view path, Random& random);

}  // namespace batucada::loadtest
