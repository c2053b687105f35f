#include "server/grpc/infer_calls.h"

#include <utility>

#include <fmt/format.h>

#include "server/grpc/call_context.h"
#include "server/grpc/infer_proto.h"
#include "server/grpc/metadata.h"
#include "server/grpc/status.h"
#include "server/http/offload.h"

namespace batucada {

// --- ModelInfer ------------------------------------------------------------------------------------------------------

grpc::ServerUnaryReactor* ModelInferCall::Start(Service& service, Executor& executor,
                                                grpc::CallbackServerContext* context,
                                                const inference::ModelInferRequest& request,
                                                inference::ModelInferResponse* response) {
  auto call = std::make_shared<ModelInferCall>(service, executor, response);
  call->self_ = call;
  call->submitted_ = CheckKey(service.keys, *context);
  if (call->submitted_.ok()) {
    auto answer = InferAnswer::Submit(service, FromProto(request), InferCall::kOneResponse,
                                      OriginOf(context, "grpc.model_infer"), DeadlineOf(*context));
    call->submitted_ = answer.status();
    if (answer.ok()) call->answer_ = *std::move(answer);
  }
  executor.Post([call] { call->Begin(); });
  return call.get();
}

void ModelInferCall::Begin() {
  if (!submitted_.ok()) return End(submitted_);
  answer_->OnReady([weak = weak_from_this(), &executor = executor_] {
    executor.Post([weak] {
      if (const auto self = weak.lock()) self->Pump();
    });
  });
}

void ModelInferCall::Pump() {
  if (ended_) return;
  std::deque<InferResponse> responses;
  answer_->Take(&responses);
  if (!responses.empty()) *response_ = ToProto(*answer_, responses.front());
  if (answer_->done()) End(answer_->failure());
}

void ModelInferCall::OnCancel() {
  executor_.Post([self = shared_from_this()] { self->End(absl::CancelledError("the client cancelled the call")); });
}

void ModelInferCall::End(const absl::Status& status) {
  if (std::exchange(ended_, true)) return;
  const grpc::Status said = ToGrpcStatus(status);
  service_.metrics.OnGrpcEnd("ModelInfer", static_cast<int>(status.code()));
  answer_.reset();  // `status` may have been its own
  Finish(said);
}

// The last reference goes on the executor, where nothing else can be using the answer.
void ModelInferCall::OnDone() {
  executor_.Post([self = std::move(self_)] {});
}

// --- ModelStreamInfer ------------------------------------------------------------------------------------------------

ModelStreamInferCall::Reactor* ModelStreamInferCall::Start(Service& service, Executor& executor,
                                                           grpc::CallbackServerContext* context) {
  auto call = std::make_shared<ModelStreamInferCall>(service, executor);
  call->self_ = call;
  call->allowed_ = CheckKey(service.keys, *context);
  call->origin_ = OriginOf(context, "grpc.model_stream_infer");
  call->deadline_ = DeadlineOf(*context);
  call->Post(&ModelStreamInferCall::Begin);
  return call.get();
}

void ModelStreamInferCall::Post(void (ModelStreamInferCall::*step)()) {
  executor_.Post([self = shared_from_this(), step] { (self.get()->*step)(); });
}

void ModelStreamInferCall::OnReadDone(bool ok) {
  Post(ok ? &ModelStreamInferCall::Received : &ModelStreamInferCall::HalfClosed);
}
void ModelStreamInferCall::OnWriteDone(bool ok) {
  Post(ok ? &ModelStreamInferCall::Wrote : &ModelStreamInferCall::Cancelled);
}
void ModelStreamInferCall::OnCancel() { Post(&ModelStreamInferCall::Cancelled); }
void ModelStreamInferCall::OnDone() {
  executor_.Post([self = std::move(self_)] {});
}

void ModelStreamInferCall::Begin() { allowed_.ok() ? ReadNext() : End(allowed_); }

void ModelStreamInferCall::ReadNext() {
  if (reading_ || half_closed_ || ended_ || answers_.size() + tokenizing_ >= kMostAtOnce) return;
  reading_ = true;
  StartRead(&request_);
}

void ModelStreamInferCall::Received() {
  reading_ = false;
  if (ended_ || cancelled_) return Pump();
  if (request_.ByteSizeLong() <= kInlineBodyBytes) return Submit(request_);
  SubmitOffThread(std::make_shared<const inference::ModelInferRequest>(std::move(request_)));
}

void ModelStreamInferCall::Submit(const inference::ModelInferRequest& request) {
  Accept(request.id(), InferAnswer::Submit(service_, FromProto(request), InferCall::kStream, origin_, deadline_));
}

// The executor's thread has other streams, which a long prompt must not hold up.
void ModelStreamInferCall::SubmitOffThread(std::shared_ptr<const inference::ModelInferRequest> request) {
  const auto bytes = static_cast<int64_t>(request->ByteSizeLong());
  ++tokenizing_;
  const absl::Status refusal = service_.workers.TryPost(origin_.client, bytes, [self = shared_from_this(), request] {
    // std::function wants to copy what it holds.
    auto answer = std::make_shared<absl::StatusOr<std::unique_ptr<InferAnswer>>>(
        InferAnswer::Submit(self->service_, FromProto(*request), InferCall::kStream, self->origin_, self->deadline_));
    self->executor_.Post([self, request, answer] {
      --self->tokenizing_;
      self->Accept(request->id(), std::move(*answer));
    });
  });
  if (refusal.ok()) return ReadNext();
  --tokenizing_;
  NoteRefusal(service_, origin_, refusal);
  Accept(request->id(), refusal);
}

void ModelStreamInferCall::Accept(const std::string& id, absl::StatusOr<std::unique_ptr<InferAnswer>> answer) {
  if (ended_ || cancelled_) return Pump();
  if (answer.ok()) {
    answers_.push_back(*std::move(answer));
    answers_.back()->OnReady([weak = weak_from_this(), &executor = executor_] {
      executor.Post([weak] {
        if (const auto self = weak.lock()) self->Pump();
      });
    });
  } else {
    Fail(id, answer.status());
  }
  Pump();
}

void ModelStreamInferCall::HalfClosed() {
  reading_ = false;
  half_closed_ = true;
  Pump();
}

void ModelStreamInferCall::Wrote() {
  writing_ = false;
  Pump();
}

void ModelStreamInferCall::Cancelled() {
  writing_ = false;
  cancelled_ = true;
  answers_.clear();
  pending_.clear();
  Pump();
}

void ModelStreamInferCall::Fail(const std::string& id, const absl::Status& status) {
  inference::ModelStreamInferResponse message;
  message.set_error_message(std::string(status.message()));
  message.mutable_infer_response()->set_id(id);
  pending_.push_back(std::move(message));
}

void ModelStreamInferCall::Pump() {
  if (ended_ || writing_) return;
  if (cancelled_) return End(absl::CancelledError("the client cancelled the call"));
  if (pending_.empty()) {
    for (std::unique_ptr<InferAnswer>& answer : answers_) {
      std::deque<InferResponse> responses;
      answer->Take(&responses);
      for (const InferResponse& response : responses) {
        *pending_.emplace_back().mutable_infer_response() = ToProto(*answer, response);
      }
      if (answer->done() && !answer->failure().ok()) Fail(answer->id(), answer->failure());
    }
    std::erase_if(answers_, [](const std::unique_ptr<InferAnswer>& answer) { return answer->done(); });
  }
  ReadNext();
  if (!pending_.empty()) {
    writing_message_ = std::move(pending_.front());
    pending_.pop_front();
    writing_ = true;
    return StartWrite(&writing_message_);
  }
  if (half_closed_ && answers_.empty() && tokenizing_ == 0) End(absl::OkStatus());
}

void ModelStreamInferCall::End(const absl::Status& status) {
  ended_ = true;
  service_.metrics.OnGrpcEnd("ModelStreamInfer", static_cast<int>(status.code()));
  Finish(ToGrpcStatus(status));
}

}  // namespace batucada
