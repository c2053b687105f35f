#include "server/http/routes.h"

#include "server/http/completions.h"
#include "server/http/models.h"
#include "server/http/offload.h"
#include "server/http/status.h"

namespace batucada {

Router MakeRoutes(Service& service) {
  const auto with_request = [&service](Answer (*handle)(Service&, const HttpRequest&)) -> Handler {
    return [&service, handle](const HttpRequest& request) { return handle(service, request); };
  };
  const auto without = [&service](Answer (*handle)(Service&)) -> Handler {
    return [&service, handle](const HttpRequest&) { return handle(service); };
  };
  Router router;
  router.Add(
      {"POST", "/v1/completions", "completions", OffThread(service, "completions", with_request(HandleCompletions))});
  router.Add({"GET", "/v1/models", "models", with_request(HandleModels)});
  router.Add({"GET", "/v1/models/*", "models", with_request(HandleModels)});
  router.Add({"GET", "/health", "health", without(HandleReady)});
  router.Add({"GET", "/health/ready", "health", without(HandleReady)});
  router.Add({"GET", "/health/live", "health", without(HandleLive)});
  router.Add({"GET", "/metrics", "metrics", without(HandleMetrics)});
  router.Add({"GET", "/version", "version", without(HandleVersion)});
  router.Add({"GET", "/", "root", without(HandleRoot)});
  return router;
}

}  // namespace batucada
