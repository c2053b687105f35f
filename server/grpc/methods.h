// Which methods there are, who may call them, and what answers a call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/generate/service.h"
#include "server/grpc/call.h"

namespace batucada {

struct GrpcMethod {
  enum class Access : uint8_t { kKey, kOpen };  // kOpen: without a key too, where keys are required
  enum class Requests : uint8_t { kOne, kStream };

  std::string name;  // for metrics
  std::string api;   // for the log
  Access access = Access::kKey;
  Requests requests = Requests::kOne;
  std::function<std::shared_ptr<CallHandler>(Call& call)> start;
};

// One whose calls are Handlers, made of the service and the call. REQUIRES: `service` outlives it.
template <typename Handler>
GrpcMethod MethodOf(Service& service, std::string name, std::string api, GrpcMethod::Requests requests) {
  return {.name = std::move(name),
          .api = std::move(api),
          .requests = requests,
          .start = [&service](Call& call) -> std::shared_ptr<CallHandler> {
            return std::make_shared<Handler>(service, call);
          }};
}

// By path, "/batucada.v1.Inference/Generate".
using GrpcMethods = std::map<std::string, GrpcMethod, std::less<>>;

// What Service::config allows a message to hold.
MessageBounds BoundsOf(const Service& service);
// Decodes within those bounds, and charges what the message becomes on its way to the engine; what is charged is given
// back when the result ends.
absl::StatusOr<MemoryCharge> DecodeCharged(Service& service, const WireMessage& wire,
                                           google::protobuf::Message* message);

// Each adds a service's methods. REQUIRES: `service` outlives the methods.
void AddInferenceMethods(Service& service, GrpcMethods* methods);
void AddCheckpointMethods(Service& service, GrpcMethods* methods);
void AddOpenInferenceMethods(Service& service, GrpcMethods* methods);
void AddHealthMethods(Service& service, GrpcMethods* methods);
void AddReflectionMethods(GrpcMethods* methods);

}  // namespace batucada
