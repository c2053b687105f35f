// Where a gRPC call came from, and until when it is wanted.
#pragma once

#include <string>
#include <utility>

#include <grpcpp/server_context.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/core/clock.h"
#include "engine/core/status.h"
#include "server/generation_group.h"
#include "server/grpc/metadata.h"
#include "server/http/http.h"
#include "server/service.h"
#include "server/trace.h"
#include "server/translate.h"

namespace batucada {

// Also answers with the request id that the call is logged under: the client's if it is sound, else a fresh one. Once
// per call, before anything is sent.
inline RequestOrigin OriginOf(grpc::CallbackServerContext* context, std::string api) {
  std::string id = MetadataOf(*context, "x-request-id");
  if (!IsSoundRequestId(id)) id = NewRequestId();
  context->AddInitialMetadata("x-request-id", id);
  return {.api = std::move(api),
          .request_id = std::move(id),
          .trace = ReadTraceparent(MetadataOf(*context, "traceparent"))};
}

// gRPC tells it by the system's clock, which may jump; the engine does not.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  if (context.deadline() == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return ProcessNow() + absl::FromChrono(context.deadline() - std::chrono::system_clock::now());
}

// What the call asks for, if it may ask at all: a key, the parameters (whose deadline this sets), and their values.
inline absl::StatusOr<Translation> TranslateCall(const Service& service, const grpc::CallbackServerContext& context,
                                                 absl::StatusOr<CompletionParams>* params) {
  BATUCADA_RETURN_IF_ERROR(CheckKey(service.keys, context));
  BATUCADA_RETURN_IF_ERROR(params->status());
  (*params)->deadline = DeadlineOf(context);
  return Translate(**params, service.translation());
}

}  // namespace batucada
