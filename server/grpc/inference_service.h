// batucada.v1's service (proto/batucada/v1/batucada.proto) over gRPC's callback interface.
#pragma once

#include <cstdint>
#include <memory>

#include <grpcpp/impl/codegen/service_type.h>

#include "server/io_pool.h"
#include "server/service.h"

namespace batucada {

// REQUIRES: service and pool outlive the result, and the gRPC server that it is registered with.
std::unique_ptr<grpc::Service> MakeInferenceService(Service& service, IoPool& pool, int64_t max_message_bytes);

}  // namespace batucada
