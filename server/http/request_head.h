// From a parsed HTTP message to what handlers see, and from their answers to bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/beast/http/message.hpp>

#include "absl/status/status.h"
#include "server/http/http.h"

namespace batucada {

// x-request-id as sent if it is sound, the first of several, else a fresh one.
std::string RequestIdOf(const boost::beast::http::request_header<>& head);

// All but the body and the request's id, into a request that is empty; its path has kEscapedSlash in it (router.h).
// INVALID_ARGUMENT if the target's path is malformed. REQUIRES: HeadGuard (framing.h) let the head pass.
absl::Status ReadHead(const boost::beast::http::request_header<>& head, HttpRequest* request);

enum class Framing : uint8_t { kLength, kChunked, kUntilClose };

// Status line and headers with the empty line that ends them.
std::string ResponseHead(const HttpResponse& response, std::string_view request_id, Framing framing, bool keep_alive);

// Appends one chunk of the chunked coding; nothing if `data` is empty, for an empty chunk means the end.
void AppendChunk(std::string_view data, std::string* out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace batucada
