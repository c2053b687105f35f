#include "server/grpc/open_inference_service.h"

#include <string>

#include "engine/core/status.h"
#include "inference/open_inference.grpc.pb.h"
#include "server/grpc/infer_calls.h"
#include "server/grpc/metadata.h"
#include "server/grpc/status.h"
#include "server/translate.h"
#include "server/version.h"

namespace batucada {
namespace {

using Context = grpc::CallbackServerContext;

class OpenInferenceService : public inference::GRPCInferenceService::CallbackService {
 public:
  OpenInferenceService(batucada::Service& service, IoPool& pool) : service_(service), pool_(pool) {}

  grpc::ServerUnaryReactor* ServerLive(Context* context, const inference::ServerLiveRequest*,
                                       inference::ServerLiveResponse* response) override {
    response->set_live(service_.engine.Health().alive);
    return Done(context, "ServerLive", absl::OkStatus());
  }

  grpc::ServerUnaryReactor* ServerReady(Context* context, const inference::ServerReadyRequest*,
                                        inference::ServerReadyResponse* response) override {
    response->set_ready(service_.Ready());
    return Done(context, "ServerReady", absl::OkStatus());
  }

  grpc::ServerUnaryReactor* ModelReady(Context* context, const inference::ModelReadyRequest* request,
                                       inference::ModelReadyResponse* response) override {
    const absl::Status known = FindModel(request->name(), request->version());
    response->set_ready(known.ok() && service_.Ready());
    return Done(context, "ModelReady", known);
  }

  grpc::ServerUnaryReactor* ServerMetadata(Context* context, const inference::ServerMetadataRequest*,
                                           inference::ServerMetadataResponse* response) override {
    response->set_name("batucada");
    response->set_version(kVersion);
    return Done(context, "ServerMetadata", CheckKey(service_.keys, *context));
  }

  grpc::ServerUnaryReactor* ModelMetadata(Context* context, const inference::ModelMetadataRequest* request,
                                          inference::ModelMetadataResponse* response) override {
    absl::Status status = CheckKey(service_.keys, *context);
    if (status.ok()) status = FindModel(request->name(), request->version());
    if (status.ok()) Describe(request->name(), response);
    return Done(context, "ModelMetadata", status);
  }

  grpc::ServerUnaryReactor* RepositoryIndex(Context* context, const inference::RepositoryIndexRequest* request,
                                            inference::RepositoryIndexResponse* response) override {
    const bool ready = service_.Ready();
    for (const std::string& name : service_.model_names) {
      if (request->ready() && !ready) continue;
      auto* const model = response->add_models();
      model->set_name(name);
      model->set_version(std::string(kInferModelVersion));
      model->set_state(ready ? "READY" : "UNAVAILABLE");
    }
    const absl::Status status = CheckKey(service_.keys, *context);
    if (!status.ok()) response->Clear();
    return Done(context, "RepositoryIndex", status);
  }

  grpc::ServerUnaryReactor* ModelInfer(Context* context, const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override {
    return ModelInferCall::Start(service_, pool_.NextExecutor(), context, *request, response);
  }

  ModelStreamInferCall::Reactor* ModelStreamInfer(Context* context) override {
    return ModelStreamInferCall::Start(service_, pool_.NextExecutor(), context);
  }

 private:
  grpc::ServerUnaryReactor* Done(Context* context, const char* method, const absl::Status& status) {
    service_.metrics.OnGrpcEnd(method, static_cast<int>(status.code()));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  }

  absl::Status FindModel(const std::string& name, const std::string& version) const {
    BATUCADA_RETURN_IF_ERROR(ResolveModel(name, service_.model_names).status());
    return CheckInferVersion(version);
  }

  static void Describe(const std::string& name, inference::ModelMetadataResponse* response) {
    response->set_name(name);
    response->add_versions(std::string(kInferModelVersion));
    response->set_platform("batucada");
    const auto describe = [](const InferTensorMetadata& from, auto* tensor) {
      tensor->set_name(from.name);
      tensor->set_datatype(from.datatype);
      tensor->add_shape(from.length);
    };
    for (const InferTensorMetadata& input : kInferInputs) describe(input, response->add_inputs());
    for (const InferTensorMetadata& output : kInferOutputs) describe(output, response->add_outputs());
  }

  batucada::Service& service_;  // not gRPC's class of that name
  IoPool& pool_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeOpenInferenceService(Service& service, IoPool& pool) {
  return std::make_unique<OpenInferenceService>(service, pool);
}

}  // namespace batucada
