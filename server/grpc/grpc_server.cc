#include "server/grpc/grpc_server.h"

#include <utility>

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/spdlog.h>

#include "batucada/v1/batucada.grpc.pb.h"
#include "engine/core/clock.h"
#include "engine/core/status.h"
#include "engine/model/json.h"
#include "inference/open_inference.grpc.pb.h"
#include "server/grpc/inference_service.h"
#include "server/grpc/open_inference_service.h"

namespace batucada {
namespace {

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(const TlsFiles& files) {
  if (files.certificate.empty()) return grpc::InsecureServerCredentials();
  constexpr int64_t kMaxPemBytes = 1 << 20;
  grpc::SslServerCredentialsOptions options;
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  BATUCADA_ASSIGN_OR_RETURN(pair.cert_chain, ReadTextFile(files.certificate, kMaxPemBytes));
  BATUCADA_ASSIGN_OR_RETURN(pair.private_key, ReadTextFile(files.key, kMaxPemBytes));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  return grpc::SslServerCredentials(options);
}

// gRPC's own messages go where ours go.
void LogFromGrpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    spdlog::debug("grpc: {}", args->message);
  }
}

// Answers whatever no service has. Triton's clients call more of the Open Inference Protocol's service than there is
// here, and without a message they would not know what failed.
class NotOffered : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Refusal(context->method());
  }

 private:
  class Refusal : public grpc::ServerGenericBidiReactor {
   public:
    explicit Refusal(const std::string& method) {
      Finish({grpc::StatusCode::UNIMPLEMENTED, fmt::format("{} is not offered by this server", Printable(method))});
    }
    void OnDone() override { delete this; }
  };
};

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(const Options& options, Service& service, IoPool& pool)
      : inference(MakeInferenceService(service, pool, options.max_message_bytes)),
        open_inference(MakeOpenInferenceService(service, pool)) {}

  std::unique_ptr<grpc::Service> inference;
  std::unique_ptr<grpc::Service> open_inference;
  NotOffered not_offered;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Options& options, Service& service, IoPool& pool) {
  gpr_set_log_function(LogFromGrpc);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>(options, service, pool);
  const bool ipv6 = options.host.find(':') != std::string::npos;
  const std::string address =
      fmt::format(ipv6 ? fmt::runtime("[{}]:{}") : fmt::runtime("{}:{}"), options.host, options.port);

  BATUCADA_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, Credentials(options.tls));
  grpc::ServerBuilder builder;
  // By default two servers may share a port, and each would get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, credentials, &impl->port);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.RegisterService(impl->inference.get());
  builder.RegisterService(impl->open_inference.get());
  builder.RegisterCallbackGenericService(&impl->not_offered);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(
        fmt::format("cannot listen for gRPC on {}: the address is in use or not this machine's; choose another with "
                    "--grpc-port or --host",
                    address));
  }
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
  server->SetServing(false);
  return server;
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() { Shutdown(ProcessNow()); }

int32_t GrpcServer::port() const { return impl_->port; }

void GrpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = impl_->server->GetHealthCheckService();
  health->SetServingStatus(serving);
  health->SetServingStatus(v1::Inference::service_full_name(), serving);
  health->SetServingStatus(inference::GRPCInferenceService::service_full_name(), serving);
}

void GrpcServer::Shutdown(absl::Time deadline) {
  impl_->server->Shutdown(absl::ToChronoTime(absl::Now() + (deadline - ProcessNow())));
  impl_->server->Wait();
}

}  // namespace batucada
