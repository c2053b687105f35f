// How the server is: /health/live, /health/ready, /health, /load, /metrics, /version and /.
#pragma once

#include <functional>

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// All thread-safe.

// 200 while work makes progress; 503 with the reason if the process should be restarted.
Answer HandleLive(Service& service, const HttpRequest& request);
// 200 if new requests are welcome; 503 before start-up is done, during shutdown, and if not alive.
Answer HandleReady(Service& service, const HttpRequest& request);
Answer HandleHealth(Service& service, const HttpRequest& request);  // the same in llama.cpp's word for it: ok
// Of /metrics. Each has a ScrapePage of its own: who asks one port for more pages than are made delays no other port.
std::function<Answer(Service&, const HttpRequest&)> MetricsHandler();
Answer HandleLoad(Service& service, const HttpRequest& request);  // what runs and waits, for balancers
Answer HandleVersion(Service& service, const HttpRequest& request);
Answer HandleRoot(Service& service, const HttpRequest& request);  // where to find what

}  // namespace batucada
