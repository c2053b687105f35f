// Statuses on gRPC's wire.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace batucada {

// absl's codes are gRPC's.
inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace batucada
