#include "server/grpc/inference_service.h"

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "batucada/v1/batucada.grpc.pb.h"
#include "engine/core/status.h"
#include "engine/model/inspect.h"
#include "server/grpc/complete_call.h"
#include "server/grpc/generate_call.h"
#include "server/grpc/generate_request.h"
#include "server/grpc/metadata.h"
#include "server/grpc/status.h"
#include "server/prompt_encoder.h"
#include "server/translate.h"
#include "server/version.h"

namespace batucada {
namespace {

using Context = grpc::CallbackServerContext;

class InferenceService : public v1::Inference::CallbackService {
 public:
  InferenceService(batucada::Service& service, IoPool& pool, int64_t max_message_bytes)
      : service_(service), pool_(pool), max_message_bytes_(max_message_bytes) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(Context* context,
                                                           const v1::GenerateRequest* request) override {
    return GenerateCall::Start(service_, pool_.NextExecutor(), context, "Generate", ParseGenerateRequest(*request));
  }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Chat(Context* context, const v1::ChatRequest* request) override {
    return GenerateCall::Start(service_, pool_.NextExecutor(), context, "Chat", ParseChatRequest(*request));
  }

  grpc::ServerUnaryReactor* Complete(Context* context, const v1::GenerateRequest* request,
                                     v1::CompleteResponse* response) override {
    return CompleteCall::Start(service_, pool_.NextExecutor(), context, ParseGenerateRequest(*request), response);
  }

  grpc::ServerUnaryReactor* Abort(Context* context, const v1::AbortRequest* request,
                                  v1::AbortResponse* response) override {
    return Answer(context, "Abort", [&] {
      const std::vector<SequenceId> running = service_.running.Find(request->request_id());
      for (const SequenceId id : running) service_.engine.Cancel(id);
      response->set_aborted(static_cast<int32_t>(running.size()));
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* Tokenize(Context* context, const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    return Answer(context, "Tokenize", [&]() -> absl::Status {
      BATUCADA_RETURN_IF_ERROR(ResolveModel(request->model(), service_.model_names).status());
      BATUCADA_ASSIGN_OR_RETURN(
          const std::vector<int32_t> ids,
          EncodeText(request->text(), "text", {.add_special_tokens = !request->plain()}, service_.engine.tokenizer()));
      response->mutable_ids()->Add(ids.begin(), ids.end());
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* Detokenize(Context* context, const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override {
    return Answer(context, "Detokenize", [&]() -> absl::Status {
      BATUCADA_RETURN_IF_ERROR(ResolveModel(request->model(), service_.model_names).status());
      BATUCADA_ASSIGN_OR_RETURN(
          const std::vector<int32_t> ids,
          ToTokenIds({request->ids().begin(), request->ids().end()}, "ids", service_.engine.model().vocab_size));
      response->set_text(service_.engine.tokenizer().Decode(ids, request->skip_special_tokens()));
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* GetServerInfo(Context* context, const v1::GetServerInfoRequest*,
                                          v1::GetServerInfoResponse* response) override {
    return Answer(context, "GetServerInfo", [&] {
      const EngineStats stats = service_.engine.Stats();
      const EngineHealth health = service_.engine.Health();
      response->set_version(kVersion);
      response->set_ready(service_.Ready());
      response->set_alive(health.alive);
      response->set_reason(health.reason);
      response->set_uptime_seconds(absl::ToDoubleSeconds(absl::Now() - service_.started));
      response->set_running(stats.running);
      response->set_waiting(stats.waiting);
      response->set_waiting_tokens(stats.waiting_tokens);
      response->set_slots_used(stats.slots_used);
      response->set_slots_total(stats.slots_total);
      response->set_blocks_used(stats.blocks_used);
      response->set_blocks_total(stats.blocks_total);
      response->set_generated_tokens(static_cast<int64_t>(stats.generated_tokens));
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* GetModelInfo(Context* context, const v1::GetModelInfoRequest* request,
                                         v1::GetModelInfoResponse* response) override {
    return Answer(context, "GetModelInfo", [&] { return Describe(*request, response); });
  }

 private:
  // Runs `fill`, if the client has a key, and answers with its status.
  template <typename Fill>
  grpc::ServerUnaryReactor* Answer(Context* context, const char* method, const Fill& fill) {
    absl::Status status = CheckKey(service_.keys, *context);
    if (status.ok()) status = fill();
    service_.metrics.OnGrpcEnd(method, static_cast<int>(status.code()));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpcStatus(status));
    return reactor;
  }

  absl::Status Describe(const v1::GetModelInfoRequest& request, v1::GetModelInfoResponse* response) const {
    if (const absl::Status known = ResolveModel(request.model(), service_.model_names).status(); !known.ok())
      return known;
    const ModelConfig& model = service_.engine.model();
    for (const std::string& name : service_.model_names) response->add_names(name);
    response->set_backend(std::string(BackendName(service_.engine.config().backend)));
    response->set_server_version(kVersion);
    response->set_parameters(ParameterCount(model));
    response->set_vocabulary_size(model.vocab_size);
    response->set_layers(model.num_layers());
    response->set_hidden_size(model.d_model);
    if (model.CountLayers(LayerKind::kAttention) > 0 && model.window != kNoWindow) {
      response->set_attention_window_tokens(model.window);
    }
    v1::RequestLimits* limits = response->mutable_limits();
    limits->set_max_total_tokens(service_.engine.config().max_total_tokens);
    limits->set_max_message_bytes(max_message_bytes_);
    limits->set_max_choices(service_.config.request.max_choices);
    limits->set_max_logprobs(kMaxLogprobs);
    limits->set_max_stop_strings(service_.config.request.max_stop_strings);
    limits->set_max_stop_string_bytes(kMaxStopStringBytes);
    limits->set_max_stop_token_ids(kMaxStopTokenIds);
    return absl::OkStatus();
  }

  batucada::Service& service_;  // not gRPC's class of that name
  IoPool& pool_;
  const int64_t max_message_bytes_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeInferenceService(Service& service, IoPool& pool, int64_t max_message_bytes) {
  return std::make_unique<InferenceService>(service, pool, max_message_bytes);
}

}  // namespace batucada
