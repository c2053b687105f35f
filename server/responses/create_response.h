// POST /v1/responses: what the model is given, from the store and the request, and how its answer is told.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// Thread-safe; wait for the store.
Answer HandleCreateResponse(Service& service, const HttpRequest& request);
// How many tokens the same request would give the model.
Answer HandleCountInput(Service& service, const HttpRequest& request);

}  // namespace batucada
