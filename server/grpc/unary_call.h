// Calls of one message each way that need no waiting: a function from request to response.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/status.h"
#include "server/grpc/call.h"
#include "server/grpc/methods.h"
#include "server/grpc/offload.h"

namespace batucada {

template <typename Request, typename Response>
using UnaryFunction = std::function<absl::Status(const Request&, const CallInfo&, Response*)>;

template <typename Request, typename Response>
class UnaryCall : public CallHandler {
 public:
  UnaryCall(Service& service, Call& call, const UnaryFunction<Request, Response>& function)
      : CallHandler(call), service_(service), function_(function) {}

  void OnMessage(WireMessage message) override {
    auto held = std::make_shared<WireMessage>(std::move(message));
    const std::function<absl::StatusOr<std::string>()> work = [held, info = info(), &service = service_,
                                                               &function = function_]() -> absl::StatusOr<std::string> {
      Request request;
      BATUCADA_ASSIGN_OR_RETURN(const MemoryCharge parsing, DecodeCharged(service, *held, &request));
      Response response;
      BATUCADA_RETURN_IF_ERROR(function(request, info, &response));
      return FrameMessage(response);
    };
    const absl::Status refusal = RunForCall<std::string>(service_, shared_from_this(), call(), *held, work,
                                                         [this](const absl::StatusOr<std::string>& framed) {
                                                           if (framed.ok()) call().SendFramed(*framed);
                                                           call().Finish(framed.status());
                                                         });
    if (!refusal.ok()) call().Finish(refusal);
  }

 private:
  Service& service_;
  const UnaryFunction<Request, Response>& function_;  // the method's own
};

// A method that `function` answers. It must be thread-safe.
template <typename Request, typename Response>
GrpcMethod UnaryMethod(Service& service, std::string name, std::string api,
                       std::function<absl::Status(const Request&, const CallInfo&, Response*)> function,
                       GrpcMethod::Access access = GrpcMethod::Access::kKey) {
  auto kept = std::make_shared<const UnaryFunction<Request, Response>>(std::move(function));
  return {.name = std::move(name),
          .api = std::move(api),
          .access = access,
          .requests = GrpcMethod::Requests::kOne,
          .start = [&service, kept](Call& call) -> std::shared_ptr<CallHandler> {
            return std::make_shared<UnaryCall<Request, Response>>(service, call, *kept);
          }};
}

}  // namespace batucada
