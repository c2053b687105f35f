// grpc.health.v1 (proto/grpc/health/v1/health.proto): the server as a whole, under the empty name, and its two
// services. All say the same as /health/ready.
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/json.h"
#include "base/status.h"
#include "grpc/health/v1/health.pb.h"
#include "server/grpc/methods.h"
#include "server/grpc/unary_call.h"

namespace batucada {
namespace {

namespace health = grpc::health::v1;

constexpr std::array<std::string_view, 3> kServices = {"", "batucada.v1.Inference", "inference.GRPCInferenceService"};

health::HealthCheckResponse::ServingStatus StatusOf(const Service& service, std::string_view name) {
  if (std::find(kServices.begin(), kServices.end(), name) == kServices.end()) {
    return health::HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return service.Ready() ? health::HealthCheckResponse::SERVING : health::HealthCheckResponse::NOT_SERVING;
}

absl::Status Check(const Service& service, const health::HealthCheckRequest& request,
                   health::HealthCheckResponse* response) {
  response->set_status(StatusOf(service, request.service()));
  if (response->status() != health::HealthCheckResponse::SERVICE_UNKNOWN) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("there is no service '{}'", Printable(request.service())));
}

// Says how it is, and again whenever that changes.
class WatchCall : public CallHandler {
 public:
  WatchCall(const Service& service, Call& call) : CallHandler(call), service_(service) {}

  void OnMessage(WireMessage message) override {
    health::HealthCheckRequest request;
    if (const absl::Status status = DecodeMessage(message, BoundsOf(service_), &request); !status.ok()) {
      return call().Finish(status);
    }
    name_ = request.service();
    OnTick();
  }

  void OnTick() override {
    if (!name_) return;
    const auto now = StatusOf(service_, *name_);
    if (now == said_ || !call().drained()) return;
    said_ = now;
    health::HealthCheckResponse response;
    response.set_status(now);
    call().Send(response);
  }

  bool idle() const override { return true; }

 private:
  const Service& service_;
  std::optional<std::string> name_;
  std::optional<health::HealthCheckResponse::ServingStatus> said_;
};

}  // namespace

void AddHealthMethods(Service& service, GrpcMethods* methods) {
  methods->emplace("/grpc.health.v1.Health/Check",
                   UnaryMethod<health::HealthCheckRequest, health::HealthCheckResponse>(
                       service, "Check", "grpc.health",
                       [&service](const auto& request, const CallInfo&, auto* response) {
                         return Check(service, request, response);
                       },
                       GrpcMethod::Access::kOpen));
  methods->emplace("/grpc.health.v1.Health/Watch",
                   GrpcMethod{.name = "Watch",
                              .api = "grpc.health",
                              .access = GrpcMethod::Access::kOpen,
                              .start = [&service](Call& call) -> std::shared_ptr<CallHandler> {
                                return std::make_shared<WatchCall>(service, call);
                              }});
}

}  // namespace batucada
