// GET /v1/models and /v1/models/{name}.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// Thread-safe.
Answer HandleModels(Service& service, const HttpRequest& request);  // all names, or the one that the path names

}  // namespace batucada
