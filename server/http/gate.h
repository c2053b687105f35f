// What a request must pass before its handler, or even its body, is looked at: keys, the rights of administrators
// (admin.h), and the rules for pages of other origins (CORS).
//
// Without origins CORS is off. But where keys are required, pages of every origin may ask what takes a key, for they
// must have been given one: nothing is granted to a page that its user alone would have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/common/access_keys.h"
#include "server/http/admin.h"
#include "server/http/http.h"
#include "server/http/router.h"

namespace batucada {

// Immutable, thread-safe.
class Gate {
 public:
  Gate() = default;  // lets everything pass
  // `origins`: of the pages whose scripts may read answers, or "*" for all.
  Gate(AccessKeys keys, std::vector<std::string> origins, AdminPlace place = AdminPlace::kClientsPort)
      : keys_(std::move(keys)), origins_(std::move(origins)), place_(place) {}

  // The answer to a request that goes no further: 401, 403, or that to a preflight. Needs the request's head alone.
  // `route` is where it goes; null: nowhere. Fills in what the key tells of request->client.
  std::optional<HttpResponse> Stop(HttpRequest* request, const Route* route) const;

  // What every answer to `request` carries.
  Headers AnswerHeaders(const HttpRequest& request, const Route* route) const;

 private:
  bool cross_origin() const { return !origins_.empty() || keys_.required(); }
  bool AllowsOrigin(std::string_view origin) const;
  bool AllowsAll() const;
  std::optional<HttpResponse> StopPreflight(const HttpRequest& request) const;

  AccessKeys keys_;
  std::vector<std::string> origins_;
  AdminPlace place_ = AdminPlace::kClientsPort;
};

}  // namespace batucada
