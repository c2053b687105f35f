// The headers of gRPC over HTTP/2: what a request's say, and those of answers.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/grpc/http2_session.h"

namespace batucada {

// The first of that name, or empty.
std::string_view HeaderOf(const Http2Headers& headers, std::string_view name);

// Whether it is gRPC at all: 200, or the HTTP status that says why not.
int HttpStatusOfRequest(const Http2Headers& headers);

// Of grpc-timeout, "500m"; infinite if there is none. INVALID_ARGUMENT if it is not as it must be.
absl::StatusOr<absl::Duration> ParseTimeout(std::string_view text);

// Those before an answer's messages.
Http2Headers AnswerHeaders(std::string_view request_id);
// Those behind them. The message is cut to what clients take.
Http2Headers StatusTrailers(const absl::Status& status);

}  // namespace batucada
