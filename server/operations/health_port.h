// --health-port: health, metrics and administration on a port, a thread and connections of their own. Whatever clients
// do to --port, and however long it takes to tokenize for them, Kubernetes, Prometheus and the operator are answered.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/generate/service.h"
#include "server/http/http_server.h"
#include "server/http/router.h"

namespace batucada {

// What it answers: /health, /health/live, /health/ready, /metrics, /version and /admin. Without TLS, for probes check
// no certificate, and without keys, but that /admin asks who asks (admin.h). REQUIRES: `service` outlives the router.
Router MakeHealthRoutes(Service& service);

// Thread-safe.
class HealthPort {
 public:
  // Answers from now on. UNAVAILABLE, in one sentence, if the port cannot be had. REQUIRES: `service` outlives this.
  static absl::StatusOr<std::unique_ptr<HealthPort>> Start(Service& service);

  int32_t port() const { return server_->port(); }

 private:
  explicit HealthPort(Service& service);

  Router router_;
  Gate gate_;
  IoPool pool_{1};
  Door door_{pool_};
  std::unique_ptr<HttpServer> server_;
};

}  // namespace batucada
