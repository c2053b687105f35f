#include "server/api/routes.h"

#include <utility>

#include "server/api/api_schemas.h"
#include "server/http/openapi.h"
#include "server/open_inference/infer.h"
#include "server/open_inference/infer_metadata.h"
#include "server/openai/completions.h"
#include "server/openai/models.h"
#include "server/openai/tokenizer_info.h"
#include "server/openai/tokens.h"
#include "server/operations/log_settings.h"
#include "server/operations/probes.h"
#include "server/operations/status.h"
#include "server/responses/routes.h"

namespace batucada {
namespace {

void AddOpenInference(RouteList& list) {
  // With a version first: the model's name may hold slashes, so that the shorter pattern would take both.
  for (const std::string model : {"/v2/models/*/versions/*", "/v2/models/*"}) {
    list.Post(model + "/infer", "infer", HandleInfer,
              {.summary = "Continue a text: the Open Inference Protocol. Tensors may be binary, after the JSON",
               .request = "InferRequest",
               .answer = "InferResponse",
               .error_form = ErrorForm::kOpenInference});
    list.Post(model + "/generate", "generate", HandleGenerate,
              {.summary = "Continue a text: Triton's generate extension",
               .request = "GenerateRequest",
               .answer = "GenerateResponse",
               .error_form = ErrorForm::kOpenInference});
    list.Post(model + "/generate_stream", "generate_stream", HandleGenerateStream,
              {.summary = "Continue a text and stream it: one response an event",
               .request = "GenerateRequest",
               .answer = "EventStream",
               .answer_type = "text/event-stream",
               .error_form = ErrorForm::kOpenInference});
    list.Get(model + "/ready", "infer.ready", HandleInferModelReady,
             {.summary = "Whether the model takes requests",
              .answer = "InferState",
              .unavailable = "InferState",
              .error_form = ErrorForm::kOpenInference},
             Access::kOpen);
    list.Get(model, "infer.model", HandleInferModel,
             {.summary = "The model's tensors", .answer = "InferModel", .error_form = ErrorForm::kOpenInference});
  }
  list.Post("/v2/repository/index", "infer.index", HandleRepositoryIndex,
            {.summary = "The models and their states",
             .request = "RepositoryIndexRequest",
             .request_optional = true,
             .answer = "RepositoryIndex",
             .error_form = ErrorForm::kOpenInference});
  list.Get("/v2", "infer.server", HandleInferServer,
           {.summary = "The server's name", .answer = "InferServer", .error_form = ErrorForm::kOpenInference});
  const auto health = [&list](const char* path, const RouteList::Handle& handle, std::string_view summary) {
    list.Get(path, "infer.health", handle,
             {.summary = summary,
              .answer = "InferState",
              .unavailable = "InferState",
              .error_form = ErrorForm::kOpenInference},
             Access::kHealth);
  };
  health("/v2/health/live", HandleInferLive, "Whether work makes progress");
  health("/v2/health/ready", HandleInferReady, "Whether new requests are welcome");
}

}  // namespace

Router MakeRoutes(Service& service, const AddRoutes& more) {
  RouteList list(service);
  list.Post("/v1/completions", "completions", HandleCompletions,
            {.summary = "Continue a text",
             .request = "CompletionRequest",
             .answer = "Completion",
             .streams = OperationSpec::Streams::kIfAsked});
  // llama.cpp's server has the second of each too: for clients whose base URL ends before /v1.
  for (const char* path : {"/v1/chat/completions", "/chat/completions"}) {
    list.Post(path, "chat.completions", HandleChatCompletions,
              {.summary = "Continue a conversation",
               .request = "ChatRequest",
               .answer = "ChatCompletion",
               .streams = OperationSpec::Streams::kIfAsked});
  }
  for (const char* path : {"/v1/models", "/models"}) {
    list.Get(path, "models", HandleModels, {.summary = "The names that are served", .answer = "Models"});
  }
  list.Get("/v1/models/*", "models", HandleModels, {.summary = "One of them", .answer = "Model"});
  // Below /v1 as SGLang has them.
  for (const char* path : {"/tokenize", "/v1/tokenize"}) {
    list.Post(path, "tokenize", HandleTokenize,
              {.summary = "Text or a conversation to token ids", .request = "TokenizeRequest", .answer = "Tokens"});
  }
  for (const char* path : {"/detokenize", "/v1/detokenize"}) {
    list.Post(path, "detokenize", HandleDetokenize,
              {.summary = "Token ids to text", .request = "DetokenizeRequest", .answer = "Text"});
  }

  list.Document(
      "/tokenizer_info", "tokenizer_info", TokenizerInfo(service),
      {.summary = "What tokenizer_config.json says, and the chat template in use", .answer = "TokenizerInfo"});

  AddResponses(list);
  AddOpenInference(list);
  const auto health = [&list](const char* path, const RouteList::Handle& handle, std::string_view summary) {
    list.Get(path, "health", handle, {.summary = summary, .answer = "Health", .unavailable = "Health"},
             Access::kHealth);
  };
  health("/health", HandleHealth, "Whether new requests are welcome");
  health("/v1/health", HandleHealth, "Whether new requests are welcome");
  health("/health/ready", HandleReady, "Whether new requests are welcome");
  health("/health/live", HandleLive, "Whether work makes progress; if not, restart the process");
  // As Kubernetes' own programs call them.
  health("/healthz", HandleReady, "Whether new requests are welcome");
  health("/readyz", HandleReady, "Whether new requests are welcome");
  health("/livez", HandleLive, "Whether work makes progress; if not, restart the process");
  const bool metrics_open = service.config.security.metrics_access == MetricsAccess::kOpen;
  list.Get("/metrics", "metrics", MetricsHandler(),
           {.summary = "Metrics for Prometheus", .answer = "Metrics", .answer_type = "text/plain"},
           metrics_open ? Access::kOpen : Access::kKey);
  list.Get("/admin/log", "admin.log", HandleLogSettings, {.summary = "How much is logged", .answer = "LogSettings"},
           Access::kAdmin);
  list.Post(
      "/admin/log", "admin.log", HandleSetLog,
      {.summary = "Log more or less, until the process ends", .request = "SetLogRequest", .answer = "LogSettings"},
      Access::kAdmin);
  list.Get("/load", "load", HandleLoad, {.summary = "How much runs and waits", .answer = "Load"});
  list.Get("/version", "version", HandleVersion, {.summary = "The server's version", .answer = "Version"});
  list.Get("/", "root", HandleRoot,
           {.summary = "Where to find what; to a browser, a page to try the model on", .answer = "Root"},
           Access::kOpen);

  AddProbes(list);
  if (more) more(list);

  const auto document = std::make_shared<std::string>();
  list.router().Add({.method = "GET",
                     .path = "/openapi.json",
                     .name = "openapi",
                     .handler = [document](const HttpRequest&) -> Answer { return JsonResponse(*document); },
                     .access = Access::kKey,
                     .operation = MakeOperation({.summary = "This description", .answer = "OpenApi"})});
  *document = OpenApiDocument(list.router(), ApiSchemas(service.config.unknown_members()), list.schemas());
  return std::move(list.router());
}

}  // namespace batucada
