// POST /v1/completions.
#pragma once

#include "server/http/http.h"
#include "server/service.h"

namespace batucada {

// Thread-safe.
Answer HandleCompletions(Service& service, const HttpRequest& request);

}  // namespace batucada
