// The ways a request can fail, as the client sees them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace batucada::loadtest {

enum class ErrorKind : uint8_t {
  kNone,         // an answer, whole
  kConnect,      // no connection: refused, unreachable, reset while shaking hands
  kRefused,      // 429: the server says it is full
  kUnavailable,  // 503: full, starting or draining
  kClient,       // any other 4xx: the request is wrong
  kServer,       // any other 5xx
  kTimeout,      // no whole answer within --timeout
  kCut,          // the connection ended inside the answer
  kErrorEvent,   // an error told inside the stream, or its end by "abort"
  kMalformed,    // not HTTP, no server-sent events, not JSON, or a redirect
  kNoTokens,     // a whole answer without a token
};
inline constexpr size_t kErrorKinds = 11;

// As in the reports.
constexpr std::string_view ErrorName(ErrorKind kind) {
  constexpr std::array<std::string_view, kErrorKinds> kNames = {
      "none",    "connect", "refused_429", "unavailable_503", "other_4xx", "other_5xx",
      "timeout", "cut",     "error_event", "malformed",       "no_tokens"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace batucada::loadtest
