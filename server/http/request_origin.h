// Where an HTTP request came from, for the log.
#pragma once

#include <string>
#include <utility>

#include "server/http/http.h"
#include "server/telemetry/request_record.h"

namespace batucada {

inline RequestOrigin OriginOf(const HttpRequest& request, std::string api) {
  return {.api = std::move(api), .request_id = request.request_id, .trace = request.trace, .client = request.client};
}

}  // namespace batucada
