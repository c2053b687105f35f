// The Open Inference Protocol's service (proto/inference/open_inference.proto) over gRPC's callback interface.
#pragma once

#include <memory>

#include <grpcpp/impl/codegen/service_type.h>

#include "server/io_pool.h"
#include "server/service.h"

namespace batucada {

// REQUIRES: service and pool outlive the result, and the gRPC server that it is registered with.
std::unique_ptr<grpc::Service> MakeOpenInferenceService(Service& service, IoPool& pool);

}  // namespace batucada
