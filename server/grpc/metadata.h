// What a gRPC client says beside its request.
#pragma once

#include <string>

#include <grpcpp/server_context.h>

#include "absl/status/status.h"
#include "server/access_keys.h"

namespace batucada {

// The first value of that name (lower case), or empty.
inline std::string MetadataOf(const grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return "";
  return {found->second.data(), found->second.size()};
}

// UNAUTHENTICATED unless the metadata "authorization" is "Bearer KEY" with one of `keys`, or none is required.
inline absl::Status CheckKey(const AccessKeys& keys, const grpc::CallbackServerContext& context) {
  if (keys.AcceptAuthorization(MetadataOf(context, "authorization"))) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "an API key of this server is needed: send the metadata 'authorization: Bearer KEY'");
}

}  // namespace batucada
