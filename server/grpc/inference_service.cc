// batucada.v1's service (proto/batucada/v1/batucada.proto).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status.h"
#include "batucada/v1/batucada.pb.h"
#include "engine/model/inspect.h"
#include "server/common/version.h"
#include "server/config/served_names.h"
#include "server/generate/estimate.h"
#include "server/generate/prompt_encoder.h"
#include "server/generate/translate.h"
#include "server/grpc/generation_call.h"
#include "server/grpc/methods.h"
#include "server/grpc/unary_call.h"

namespace batucada {
namespace {

absl::Status Abort(Service& service, const v1::AbortRequest& request, const CallInfo& info,
                   v1::AbortResponse* response) {
  const std::vector<SequenceId> running = service.running.Find(request.request_id(), info.origin.client);
  for (const SequenceId id : running) service.engine.Cancel(id);
  response->set_aborted(static_cast<int32_t>(running.size()));
  return absl::OkStatus();
}

absl::Status Tokenize(Service& service, const v1::TokenizeRequest& request, v1::TokenizeResponse* response) {
  BATUCADA_RETURN_IF_ERROR(ResolveModel(request.model(), service.model_names).status());
  BATUCADA_ASSIGN_OR_RETURN(
      const std::vector<int32_t> ids,
      EncodeText(request.text(), "text", {.add_special_tokens = !request.plain()}, service.engine.tokenizer()));
  response->mutable_ids()->Add(ids.begin(), ids.end());
  return absl::OkStatus();
}

absl::Status Detokenize(Service& service, const v1::DetokenizeRequest& request, v1::DetokenizeResponse* response) {
  BATUCADA_RETURN_IF_ERROR(ResolveModel(request.model(), service.model_names).status());
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, ToTokenIds({request.ids().begin(), request.ids().end()},
                                                                       "ids", service.engine.model().vocab_size));
  response->set_text(service.engine.tokenizer().Decode(ids, request.skip_special_tokens()));
  return absl::OkStatus();
}

absl::Status GetServerInfo(Service& service, v1::GetServerInfoResponse* response) {
  const EngineStats stats = service.engine.Stats();
  const EngineHealth health = service.engine.Health();
  response->set_version(kVersion);
  response->set_ready(service.Ready());
  response->set_alive(health.alive);
  response->set_reason(health.reason);
  response->set_uptime_seconds(absl::ToDoubleSeconds(absl::Now() - service.started));
  response->set_running(stats.running);
  response->set_waiting(stats.waiting);
  response->set_waiting_tokens(stats.waiting_tokens);
  response->set_slots_used(stats.slots_used);
  response->set_slots_total(stats.slots_total);
  response->set_blocks_used(stats.blocks_used);
  response->set_blocks_total(stats.blocks_total);
  response->set_generated_tokens(static_cast<int64_t>(stats.generated_tokens));
  return absl::OkStatus();
}

absl::Status GetModelInfo(Service& service, const v1::GetModelInfoRequest& request,
                          v1::GetModelInfoResponse* response) {
  BATUCADA_RETURN_IF_ERROR(ResolveModel(request.model(), service.model_names).status());
  const ModelConfig& model = service.engine.model();
  for (const std::string& name : service.model_names) {
    if (!IsPattern(name)) response->add_names(name);
  }
  response->set_backend(std::string(BackendName(service.engine.config().backend)));
  response->set_server_version(kVersion);
  response->set_parameters(ParameterCount(model));
  response->set_vocabulary_size(model.vocab_size);
  response->set_layers(model.num_layers());
  response->set_hidden_size(model.d_model);
  if (model.Window()) response->set_attention_window_tokens(*model.Window());
  v1::RequestLimits* limits = response->mutable_limits();
  limits->set_max_total_tokens(service.engine.config().max_total_tokens);
  limits->set_max_message_bytes(service.config.http.max_body_bytes);
  limits->set_max_choices(service.config.request.max_choices);
  limits->set_max_logprobs(kMaxLogprobs);
  limits->set_max_stop_strings(service.config.request.max_stop_strings);
  limits->set_max_stop_string_bytes(kMaxStopStringBytes);
  limits->set_max_stop_token_ids(kMaxStopTokenIds);
  return absl::OkStatus();
}

template <typename Handler>
GrpcMethod GenerationMethod(Service& service, std::string name, std::string api, SubmitGeneration submit) {
  return {.name = std::move(name),
          .api = std::move(api),
          .start = [&service, submit = std::move(submit)](Call& call) -> std::shared_ptr<CallHandler> {
            return std::make_shared<Handler>(service, call, submit);
          }};
}

}  // namespace

MessageBounds BoundsOf(const Service& service) {
  MessageBounds bounds;
  bounds.bytes = service.config.http.max_body_bytes;
  bounds.parts += service.config.request.max_logit_biases;
  bounds.numbers = std::max(bounds.numbers, 2 * service.engine.config().max_total_tokens);
  return bounds;
}

absl::StatusOr<MemoryCharge> DecodeCharged(Service& service, const WireMessage& wire,
                                           google::protobuf::Message* message) {
  // Parsed fields, and what they are converted to: a byte of a list becomes four and then eight, one of a text an id.
  constexpr int64_t kBytesPerByte = 12, kBytesPerCompressedByte = 100;
  const bool plain = wire.encoding == MessageEncoding::kIdentity;
  const auto size = static_cast<int64_t>(wire.bytes.size());
  BATUCADA_ASSIGN_OR_RETURN(
      MemoryCharge charge,
      service.memory.Charge(MemoryPart::kParsing,
                            plain ? size * kBytesPerByte + WordBytes(wire.bytes)
                                  : std::min(size * kBytesPerCompressedByte, BoundsOf(service).bytes * kBytesPerByte)));
  BATUCADA_RETURN_IF_ERROR(DecodeMessage(wire, BoundsOf(service), message));
  return charge;
}

void AddInferenceMethods(Service& service, GrpcMethods* methods) {
  const auto add = [methods](GrpcMethod method) {
    methods->emplace("/batucada.v1.Inference/" + method.name, std::move(method));
  };
  add(GenerationMethod<StreamedGeneration>(service, "Generate", "grpc.generate", SubmitGenerateRequest));
  add(GenerationMethod<StreamedGeneration>(service, "Chat", "grpc.chat", SubmitChatRequest));
  add(GenerationMethod<WholeGeneration>(service, "Complete", "grpc.complete", SubmitGenerateRequest));
  add(UnaryMethod<v1::AbortRequest, v1::AbortResponse>(
      service, "Abort", "grpc.abort", [&service](const auto& request, const CallInfo& info, auto* response) {
        return Abort(service, request, info, response);
      }));
  add(UnaryMethod<v1::TokenizeRequest, v1::TokenizeResponse>(
      service, "Tokenize", "grpc.tokenize", [&service](const auto& request, const CallInfo&, auto* response) {
        return Tokenize(service, request, response);
      }));
  add(UnaryMethod<v1::DetokenizeRequest, v1::DetokenizeResponse>(
      service, "Detokenize", "grpc.detokenize", [&service](const auto& request, const CallInfo&, auto* response) {
        return Detokenize(service, request, response);
      }));
  add(UnaryMethod<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
      service, "GetServerInfo", "grpc.server_info",
      [&service](const auto&, const CallInfo&, auto* response) { return GetServerInfo(service, response); }));
  add(UnaryMethod<v1::GetModelInfoRequest, v1::GetModelInfoResponse>(
      service, "GetModelInfo", "grpc.model_info", [&service](const auto& request, const CallInfo&, auto* response) {
        return GetModelInfo(service, request, response);
      }));
}

}  // namespace batucada
