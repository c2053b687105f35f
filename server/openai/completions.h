// POST /v1/completions and POST /v1/chat/completions: text from the model, whole or streamed.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// All thread-safe.
Answer HandleCompletions(Service& service, const HttpRequest& request);
Answer HandleChatCompletions(Service& service, const HttpRequest& request);

}  // namespace batucada
