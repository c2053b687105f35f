#include "server/operations/status.h"

#include <memory>
#include <string>
#include <string_view>

#include "server/common/version.h"
#include "server/json/json_writer.h"
#include "server/operations/scrape_page.h"
#include "server/web/page.h"

namespace batucada {
namespace {

HttpResponse State(int http_status, std::string_view state, std::string_view reason) {
  HttpResponse response = {.status = http_status};
  if (http_status == 503) AddRetryAfter(&response);
  JsonWriter json(&response.body);
  json.BeginObject().Key("status").String(state);
  if (!reason.empty()) json.Key("reason").String(reason);
  json.EndObject();
  return response;
}

HttpResponse Readiness(Service& service, std::string_view good) {
  const EngineHealth health = service.engine.Health();
  if (!health.alive) return State(503, "not alive", health.reason);
  if (!service.accepting) return State(503, "not ready", "starting or shutting down");
  return State(200, good, "");
}

std::string MetricsText(Service& service) {
  const EngineConfig& config = service.engine.config();
  const bool alive = service.engine.Health().alive;
  Snapshot now = {.engine = service.engine.Stats(),
                  .process = ReadProcessStats(),
                  .alive = alive,
                  .ready = alive && service.accepting,
                  .text_backlog_bytes = service.workers.waiting_bytes() + service.store_workers.waiting_bytes(),
                  .request_memory_budget = service.memory.budget(),
                  .request_memory = {},
                  .request_memory_refused = {},
                  .store = service.store->Stats(),
                  .max_waiting = config.max_waiting,
                  .max_batch_tokens = config.max_batch_tokens,
                  .model = service.model_names.front(),
                  .backend = BackendName(config.backend)};
  for (size_t i = 0; i < kMemoryPartNames.size(); ++i) {
    const auto part = static_cast<MemoryPart>(i);
    now.request_memory[i] = service.memory.used(part);
    now.request_memory_refused[i] = service.memory.refused(part);
  }
  return service.metrics.Render(now, service.config.metrics_aliases);
}

}  // namespace

Answer HandleLive(Service& service, const HttpRequest&) {
  const EngineHealth health = service.engine.Health();
  return health.alive ? State(200, "alive", "") : State(503, "not alive", health.reason);
}

Answer HandleReady(Service& service, const HttpRequest&) { return Readiness(service, "ready"); }

Answer HandleHealth(Service& service, const HttpRequest&) { return Readiness(service, "ok"); }

std::function<Answer(Service&, const HttpRequest&)> MetricsHandler() {
  return [page = std::make_shared<ScrapePage>()](Service& service, const HttpRequest&) -> Answer {
    return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = *page->Get([&service] { return MetricsText(service); })};
  };
}

Answer HandleLoad(Service& service, const HttpRequest&) {
  const EngineStats stats = service.engine.Stats();
  HttpResponse response;
  JsonWriter json(&response.body);
  json.BeginObject().Key("server_load").Int(stats.running + stats.waiting);
  json.Key("running").Int(stats.running).Key("waiting").Int(stats.waiting);
  json.Key("waiting_tokens").Int(stats.waiting_tokens);
  json.Key("slots_used").Int(stats.slots_used).Key("slots_total").Int(stats.slots_total);
  json.Key("blocks_used").Int(stats.blocks_used).Key("blocks_total").Int(stats.blocks_total).EndObject();
  return response;
}

Answer HandleVersion(Service&, const HttpRequest&) {
  HttpResponse response;
  JsonWriter(&response.body).BeginObject().Key("version").String(kVersion).EndObject();
  return response;
}

Answer HandleRoot(Service& service, const HttpRequest& request) {
  if (request.Header("accept").find("text/html") != std::string_view::npos) {
    static const std::string policy = PagePolicy(kPage);
    return HttpResponse{.content_type = "text/html; charset=utf-8",
                        .headers = {{"vary", "accept"},
                                    {"content-security-policy", policy},
                                    {"x-content-type-options", "nosniff"},
                                    {"referrer-policy", "no-referrer"}},
                        .body = PageFor(!service.config.store.directory.empty())};
  }
  HttpResponse response = {.headers = {{"vary", "accept"}}};
  JsonWriter json(&response.body);
  json.BeginObject().Key("name").String("batucada").Key("version").String(kVersion);
  json.Key("endpoints").BeginArray();
  for (const char* endpoint :
       {"POST /v1/completions", "POST /v1/chat/completions", "POST /v1/responses", "GET /v1/models", "POST /tokenize",
        "POST /detokenize", "GET /health/live", "GET /health/ready", "GET /load", "GET /admin/log", "POST /admin/log",
        "GET /metrics", "GET /version", "GET /openapi.json"}) {
    json.String(endpoint);
  }
  json.EndArray().EndObject();
  return response;
}

}  // namespace batucada
