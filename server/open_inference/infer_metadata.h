// The Open Inference Protocol's questions about the server and its models: /v2, /v2/health/*, /v2/models/NAME and
// …/ready, /v2/repository/index.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/parameter_table.h"

namespace batucada {

struct RepositoryIndexParams {
  bool ready = false;  // only models that are
};
const ParameterTable<RepositoryIndexParams>& RepositoryIndexParameters();

// Thread-safe.
Answer HandleInferServer(Service& service, const HttpRequest& request);
Answer HandleInferLive(Service& service, const HttpRequest& request);
Answer HandleInferReady(Service& service, const HttpRequest& request);
// The path's wildcards are the name and the version.
Answer HandleInferModel(Service& service, const HttpRequest& request);
Answer HandleInferModelReady(Service& service, const HttpRequest& request);
// Clients may send no body at all.
Answer HandleRepositoryIndex(Service& service, const HttpRequest& request);

}  // namespace batucada
