#include "server/grpc/infer_calls.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "server/common/asked_model.h"
#include "server/grpc/infer_proto.h"
#include "server/grpc/methods.h"
#include "server/grpc/offload.h"

namespace batucada {

// --- ModelInfer ------------------------------------------------------------------------------------------------------

void ModelInferCall::OnMessage(WireMessage message) {
  auto held = std::make_shared<WireMessage>(std::move(message));
  using InferAnswerPtr = std::unique_ptr<InferAnswer>;
  const absl::Status refusal = RunForCall<InferAnswerPtr>(
      service_, shared_from_this(), call(), *held,
      [held, &service = service_, info = info()]() -> absl::StatusOr<InferAnswerPtr> {
        const auto read = [&]() -> absl::StatusOr<InferRequest> {
          inference::ModelInferRequest request;
          BATUCADA_ASSIGN_OR_RETURN(const MemoryCharge parsing, DecodeCharged(service, *held, &request));
          absl::StatusOr<InferRequest> converted = FromProto(request);
          return converted.ok() ? std::move(converted) : WithAskedModel(converted.status(), request.model_name());
        };
        return InferAnswer::Submit(service, read(), InferCall::kOneResponse, info.origin, info.deadline);
      },
      [this](absl::StatusOr<InferAnswerPtr> answer) {
        if (!answer.ok()) return call().Finish(answer.status());
        answer_ = *std::move(answer);
        answer_->OnReady(Waker());
      });
  if (!refusal.ok()) call().Finish(refusal);
}

void ModelInferCall::OnWake() {
  if (answer_ == nullptr) return;
  std::deque<InferResponse> responses;
  answer_->Take(&responses);
  if (!responses.empty()) call().Send(ToProto(*answer_, responses.front()));
  if (!answer_->done()) return;
  const absl::Status status = answer_->failure();
  answer_.reset();
  call().Finish(status);
}

// --- ModelStreamInfer ------------------------------------------------------------------------------------------------

absl::StatusOr<ModelStreamInferCall::Submitted> ModelStreamInferCall::Submit(Service& service,
                                                                             const WireMessage& message,
                                                                             const CallInfo& info) {
  inference::ModelInferRequest request;
  // What cannot be read has no id to answer to: it ends the call.
  BATUCADA_ASSIGN_OR_RETURN(const MemoryCharge parsing, DecodeCharged(service, message, &request));
  Submitted submitted{.id = request.id(), .refusal = {}, .answer = nullptr};
  auto answer = InferAnswer::Submit(service, FromProto(request), InferCall::kStream, info.origin, info.deadline);
  submitted.refusal = answer.status();
  if (answer.ok()) submitted.answer = *std::move(answer);
  return submitted;
}

void ModelStreamInferCall::OnMessage(WireMessage message) {
  auto held = std::make_shared<WireMessage>(std::move(message));
  ++submitting_;
  if (Pending() >= kMostAtOnce) call().PauseReading();
  const absl::Status refusal = RunForCall<Submitted>(
      service_, shared_from_this(), call(), *held,
      [held, &service = service_, info = info()] { return Submit(service, *held, info); },
      [this](absl::StatusOr<Submitted> submitted) { Accept(std::move(submitted)); });
  if (!refusal.ok()) Accept(Submitted{.id = StringField(held->bytes, kIdField), .refusal = refusal, .answer = nullptr});
}

void ModelStreamInferCall::Accept(absl::StatusOr<Submitted> submitted) {
  --submitting_;
  if (!submitted.ok()) return call().Finish(submitted.status());
  if (submitted->answer == nullptr) {
    Fail(submitted->id, submitted->refusal);
  } else {
    answers_.push_back(std::move(submitted->answer));
    answers_.back()->OnReady(Waker());
  }
  Pump();
}

void ModelStreamInferCall::OnEnd() {
  ended_ = true;
  Pump();
}

void ModelStreamInferCall::Fail(const std::string& id, const absl::Status& status) {
  inference::ModelStreamInferResponse message;
  message.set_error_message(std::string(status.message()));
  message.mutable_infer_response()->set_id(id);
  pending_.push_back(std::move(message));
}

void ModelStreamInferCall::Pump() {
  if (!call().drained()) return;
  for (std::unique_ptr<InferAnswer>& answer : answers_) {
    std::deque<InferResponse> responses;
    answer->Take(&responses);
    for (const InferResponse& response : responses) {
      *pending_.emplace_back().mutable_infer_response() = ToProto(*answer, response);
    }
    if (answer->done() && !answer->failure().ok()) Fail(answer->id(), answer->failure());
  }
  std::erase_if(answers_, [](const std::unique_ptr<InferAnswer>& answer) { return answer->done(); });
  for (const inference::ModelStreamInferResponse& message : std::exchange(pending_, {})) call().Send(message);
  if (ended_ && answers_.empty() && submitting_ == 0) return call().Finish(absl::OkStatus());
  if (Pending() < kMostAtOnce) call().ResumeReading();
}

}  // namespace batucada
