// POST /v2/models/NAME/infer, generate and generate_stream, each also with /versions/VERSION: the Open Inference
// Protocol's REST form and Triton's generate extension. Errors have the protocol's shape, {"error": "…"}.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

// Thread-safe. The path's wildcards are the name and the version.
Answer HandleInfer(Service& service, const HttpRequest& request);
Answer HandleGenerate(Service& service, const HttpRequest& request);
Answer HandleGenerateStream(Service& service, const HttpRequest& request);

// The error as the protocol has it; the status and its headers are as everywhere.
HttpResponse InferError(const absl::Status& status);

}  // namespace batucada
