#include "server/http/routes.h"

#include <utility>

#include "server/http/completions.h"
#include "server/http/models.h"
#include "server/http/offload.h"
#include "server/http/openapi.h"
#include "server/http/status.h"
#include "server/http/tokens.h"

namespace batucada {
namespace {

using Handle = Answer (*)(Service&, const HttpRequest&);

class RouteList {
 public:
  explicit RouteList(Service& service) : service_(service) {}

  void Get(std::string path, std::string name, Handle handle, const OperationSpec& spec, Access access = Access::kKey) {
    router_.Add({.method = "GET",
                 .path = std::move(path),
                 .name = std::move(name),
                 .handler = [this_service = &service_,
                             handle](const HttpRequest& request) { return handle(*this_service, request); },
                 .access = access,
                 .operation = MakeOperation(spec)});
  }
  // Bodies may be large: off the connection's thread with them.
  void Post(std::string path, std::string name, Handle handle, const OperationSpec& spec) {
    Handler handler = [this_service = &service_, handle](const HttpRequest& request) {
      return handle(*this_service, request);
    };
    router_.Add({.method = "POST",
                 .path = std::move(path),
                 .name = name,
                 .handler = OffThread(service_, name, std::move(handler)),
                 .access = Access::kKey,
                 .operation = MakeOperation(spec)});
  }
  Router& router() { return router_; }

 private:
  Service& service_;
  Router router_;
};

}  // namespace

Router MakeRoutes(Service& service) {
  RouteList list(service);
  list.Post("/v1/completions", "completions", HandleCompletions,
            {.summary = "Continue a text",
             .request = "CompletionRequest",
             .answer = "Completion",
             .streams = OperationSpec::Streams::kIfAsked});
  list.Post("/v1/chat/completions", "chat.completions", HandleChatCompletions,
            {.summary = "Continue a conversation",
             .request = "ChatRequest",
             .answer = "ChatCompletion",
             .streams = OperationSpec::Streams::kIfAsked});
  list.Get("/v1/models", "models", HandleModels, {.summary = "The names that are served", .answer = "Models"});
  list.Get("/v1/models/*", "models", HandleModels, {.summary = "One of them", .answer = "Model"});
  list.Post("/tokenize", "tokenize", HandleTokenize,
            {.summary = "Text or a conversation to token ids", .request = "TokenizeRequest", .answer = "Tokens"});
  list.Post("/detokenize", "detokenize", HandleDetokenize,
            {.summary = "Token ids to text", .request = "DetokenizeRequest", .answer = "Text"});

  const auto health = [&list](const char* path, Handle handle, std::string_view summary) {
    list.Get(path, "health", handle, {.summary = summary, .answer = "Health", .unavailable = "Health"}, Access::kOpen);
  };
  health("/health", HandleReady, "Whether new requests are welcome");
  health("/health/ready", HandleReady, "Whether new requests are welcome");
  health("/health/live", HandleLive, "Whether work makes progress; if not, restart the process");
  const bool metrics_open = service.config.security.metrics_access == MetricsAccess::kOpen;
  list.Get("/metrics", "metrics", HandleMetrics,
           {.summary = "Metrics for Prometheus", .answer = "Metrics", .answer_type = "text/plain"},
           metrics_open ? Access::kOpen : Access::kKey);
  list.Get("/load", "load", HandleLoad, {.summary = "How much runs and waits", .answer = "Load"});
  list.Get("/version", "version", HandleVersion, {.summary = "The server's version", .answer = "Version"});
  list.Get("/", "root", HandleRoot,
           {.summary = "Where to find what; to a browser, a page to try the model on", .answer = "Root"},
           Access::kOpen);

  const auto document = std::make_shared<std::string>();
  list.router().Add({.method = "GET",
                     .path = "/openapi.json",
                     .name = "openapi",
                     .handler = [document](const HttpRequest&) -> Answer { return JsonResponse(*document); },
                     .access = Access::kKey,
                     .operation = MakeOperation({.summary = "This description", .answer = "OpenApi"})});
  *document = OpenApiDocument(list.router());
  return std::move(list.router());
}

}  // namespace batucada
