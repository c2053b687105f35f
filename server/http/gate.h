// What a request must pass before its handler, or even its body, is looked at: keys, and the rules for pages of other
// origins (CORS).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/access_keys.h"
#include "server/http/http.h"
#include "server/http/router.h"

namespace batucada {

// Immutable, thread-safe.
class Gate {
 public:
  Gate() = default;  // lets everything pass
  // `origins`: of the pages whose scripts may read answers, or "*" for all; none: CORS is off.
  Gate(AccessKeys keys, std::vector<std::string> origins) : keys_(std::move(keys)), origins_(std::move(origins)) {}

  // The answer to a request that goes no further: 401, or that to a preflight. Needs the request's head alone.
  // `route` is where it goes; null: nowhere. Fills in what the key tells of request->client.
  std::optional<HttpResponse> Stop(HttpRequest* request, const Route* route) const;

  // What every answer to `request` carries.
  Headers AnswerHeaders(const HttpRequest& request) const;

 private:
  bool AllowsOrigin(std::string_view origin) const;

  AccessKeys keys_;
  std::vector<std::string> origins_;
};

}  // namespace batucada
