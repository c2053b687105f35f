#include "server/operations/health_port.h"

#include <functional>
#include <string>
#include <utility>

#include "base/status.h"
#include "server/operations/log_settings.h"
#include "server/operations/status.h"

namespace batucada {
namespace {

// Probes of a node, a few scrapers and a person: past it the one that is idle longest makes room.
constexpr HttpLimits kLimits = {.max_body_bytes = 16 << 10,
                                .max_header_bytes = 16 << 10,
                                .max_connections = 64,
                                .idle_timeout = absl::Seconds(75),
                                .read_timeout = absl::Seconds(5),
                                .write_timeout = absl::Seconds(10)};

using Handle = std::function<Answer(Service&, const HttpRequest&)>;

}  // namespace

Router MakeHealthRoutes(Service& service) {
  Router router;
  const auto add = [&](std::string method, std::string path, std::string name, Handle handle, Access access) {
    router.Add({.method = std::move(method),
                .path = std::move(path),
                .name = std::move(name),
                .handler = [&service, handle = std::move(handle)](
                               const HttpRequest& request) { return handle(service, request); },
                .access = access});
  };
  add("GET", "/health", "health", HandleHealth, Access::kHealth);
  add("GET", "/health/ready", "health", HandleReady, Access::kHealth);
  add("GET", "/health/live", "health", HandleLive, Access::kHealth);
  add("GET", "/metrics", "metrics", MetricsHandler(), Access::kOpen);
  add("GET", "/version", "version", HandleVersion, Access::kOpen);
  add("GET", "/admin/log", "admin.log", HandleLogSettings, Access::kAdmin);
  add("POST", "/admin/log", "admin.log", HandleSetLog, Access::kAdmin);
  return router;
}

HealthPort::HealthPort(Service& service)
    : router_(MakeHealthRoutes(service)), gate_(service.keys, {}, AdminPlace::kHealthPort) {}

absl::StatusOr<std::unique_ptr<HealthPort>> HealthPort::Start(Service& service) {
  std::unique_ptr<HealthPort> health(new HealthPort(service));
  const HttpServer::Options options = {.host = service.config.host,
                                       .port = service.config.health_port,
                                       .limits = kLimits,
                                       .flag = "health-port",
                                       .counted = false};
  BATUCADA_ASSIGN_OR_RETURN(health->server_,
                            HttpServer::Start(options, health->router_, health->gate_, health->door_, service.metrics));
  return health;
}

}  // namespace batucada
