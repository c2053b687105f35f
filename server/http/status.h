// How the server is: /health/live, /health/ready, /health, /metrics, /version and /.
#pragma once

#include "server/http/http.h"
#include "server/service.h"

namespace batucada {

// All thread-safe.

// 200 while work makes progress; 503 with the reason if the process should be restarted.
Answer HandleLive(Service& service);
// 200 if new requests are welcome; 503 before start-up is done, during shutdown, and if not alive.
Answer HandleReady(Service& service);
Answer HandleMetrics(Service& service);
Answer HandleVersion(Service& service);
Answer HandleRoot(Service& service);  // where to find what

}  // namespace batucada
