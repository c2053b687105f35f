// The Open Inference Protocol's service (proto/inference/open_inference.proto).
#include <string>
#include <utility>

#include "base/status.h"
#include "inference/open_inference.pb.h"
#include "server/common/version.h"
#include "server/config/served_names.h"
#include "server/generate/translate.h"
#include "server/grpc/infer_calls.h"
#include "server/grpc/methods.h"
#include "server/grpc/unary_call.h"
#include "server/open_inference/infer_request.h"

namespace batucada {
namespace {

absl::Status FindModel(const Service& service, const std::string& name, const std::string& version) {
  BATUCADA_RETURN_IF_ERROR(ResolveModel(name, service.model_names).status());
  return CheckInferVersion(version);
}

absl::Status ModelReady(const Service& service, const inference::ModelReadyRequest& request,
                        inference::ModelReadyResponse* response) {
  BATUCADA_RETURN_IF_ERROR(FindModel(service, request.name(), request.version()));
  response->set_ready(service.Ready());
  return absl::OkStatus();
}

absl::Status ModelMetadata(const Service& service, const inference::ModelMetadataRequest& request,
                           inference::ModelMetadataResponse* response) {
  BATUCADA_RETURN_IF_ERROR(FindModel(service, request.name(), request.version()));
  response->set_name(request.name().empty() ? service.model_names.front() : request.name());
  response->add_versions(std::string(kInferModelVersion));
  response->set_platform("batucada");
  const auto describe = [](const InferTensorMetadata& from, auto* tensor) {
    tensor->set_name(from.name);
    tensor->set_datatype(from.datatype);
    tensor->add_shape(from.length);
  };
  for (const InferTensorMetadata& input : kInferInputs) describe(input, response->add_inputs());
  for (const InferTensorMetadata& output : kInferOutputs) describe(output, response->add_outputs());
  return absl::OkStatus();
}

absl::Status RepositoryIndex(const Service& service, const inference::RepositoryIndexRequest& request,
                             inference::RepositoryIndexResponse* response) {
  const bool ready = service.Ready();
  for (const std::string& name : service.model_names) {
    if (IsPattern(name) || (request.ready() && !ready)) continue;
    auto* const model = response->add_models();
    model->set_name(name);
    model->set_version(std::string(kInferModelVersion));
    model->set_state(ready ? "READY" : "UNAVAILABLE");
  }
  return absl::OkStatus();
}

}  // namespace

void AddOpenInferenceMethods(Service& service, GrpcMethods* methods) {
  const auto add = [methods](GrpcMethod method) {
    methods->emplace("/inference.GRPCInferenceService/" + method.name, std::move(method));
  };
  constexpr auto kOpen = GrpcMethod::Access::kOpen;
  add(UnaryMethod<inference::ServerLiveRequest, inference::ServerLiveResponse>(
      service, "ServerLive", "grpc.server_live",
      [&service](const auto&, const CallInfo&, auto* response) {
        response->set_live(service.engine.Health().alive);
        return absl::OkStatus();
      },
      kOpen));
  add(UnaryMethod<inference::ServerReadyRequest, inference::ServerReadyResponse>(
      service, "ServerReady", "grpc.server_ready",
      [&service](const auto&, const CallInfo&, auto* response) {
        response->set_ready(service.Ready());
        return absl::OkStatus();
      },
      kOpen));
  add(UnaryMethod<inference::ModelReadyRequest, inference::ModelReadyResponse>(
      service, "ModelReady", "grpc.model_ready",
      [&service](const auto& request, const CallInfo&, auto* response) {
        return ModelReady(service, request, response);
      },
      kOpen));
  add(UnaryMethod<inference::ServerMetadataRequest, inference::ServerMetadataResponse>(
      service, "ServerMetadata", "grpc.server_metadata", [](const auto&, const CallInfo&, auto* response) {
        response->set_name("batucada");
        response->set_version(kVersion);
        response->add_extensions("model_repository");
        return absl::OkStatus();
      }));
  add(UnaryMethod<inference::ModelMetadataRequest, inference::ModelMetadataResponse>(
      service, "ModelMetadata", "grpc.model_metadata",
      [&service](const auto& request, const CallInfo&, auto* response) {
        return ModelMetadata(service, request, response);
      }));
  add(UnaryMethod<inference::RepositoryIndexRequest, inference::RepositoryIndexResponse>(
      service, "RepositoryIndex", "grpc.repository_index",
      [&service](const auto& request, const CallInfo&, auto* response) {
        return RepositoryIndex(service, request, response);
      }));
  add(MethodOf<ModelInferCall>(service, "ModelInfer", "grpc.model_infer", GrpcMethod::Requests::kOne));
  add(MethodOf<ModelStreamInferCall>(service, "ModelStreamInfer", "grpc.model_stream_infer",
                                     GrpcMethod::Requests::kStream));
}

}  // namespace batucada
