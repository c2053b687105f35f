#include "server/grpc/generate_call.h"

#include <utility>

#include "engine/core/status.h"
#include "server/grpc/call_context.h"
#include "server/grpc/generate_request.h"
#include "server/grpc/status.h"

namespace batucada {
namespace {

void ToProto(const TokenResult& token, bool with_logprob, v1::Token* out) {
  out->set_id(token.id);
  if (!with_logprob) return;
  out->set_logprob(token.logprob);
  out->set_rank(token.rank);
  for (const TokenLogprob& top : token.top) {
    v1::TokenLogprob* alternative = out->add_top_logprobs();
    alternative->set_id(top.id);
    alternative->set_logprob(top.logprob);
  }
}

v1::FinishReason ToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return v1::FINISH_REASON_STOP;
    case FinishReason::kLength: return v1::FINISH_REASON_LENGTH;
    case FinishReason::kShutdown: return v1::FINISH_REASON_SHUTDOWN;
    default: return v1::FINISH_REASON_UNSPECIFIED;  // the call's status says it
  }
}

}  // namespace

grpc::ServerWriteReactor<v1::GenerateResponse>* GenerateCall::Start(Service& service, Executor& executor,
                                                                    grpc::CallbackServerContext* context,
                                                                    const v1::GenerateRequest& request) {
  auto call = std::make_shared<GenerateCall>(service, executor);
  call->self_ = call;
  call->submitted_ = call->Submit(context, request);
  call->Post(&GenerateCall::Begin);
  return call.get();
}

absl::Status GenerateCall::Submit(grpc::CallbackServerContext* context, const v1::GenerateRequest& request) {
  const RequestOrigin origin = OriginOf(context, "grpc.generate");
  absl::StatusOr<Translation> translation = Prepare(*context, request);
  if (!translation.ok()) {
    NoteRefusal(service_, origin, translation.status());
    return translation.status();
  }
  BATUCADA_ASSIGN_OR_RETURN(group_, GenerationGroup::Submit(service_, *std::move(translation), origin));
  return absl::OkStatus();
}

absl::StatusOr<Translation> GenerateCall::Prepare(const grpc::CallbackServerContext& context,
                                                  const v1::GenerateRequest& request) {
  BATUCADA_RETURN_IF_ERROR(CheckKey(service_.keys, context));
  BATUCADA_ASSIGN_OR_RETURN(CompletionParams params, ParseGenerateRequest(request));
  params.deadline = DeadlineOf(context);
  BATUCADA_ASSIGN_OR_RETURN(Translation translation, Translate(params, service_.translation()));
  with_logprobs_ = params.logprobs.has_value();
  if (params.echo) echo_.assign(translation.choices(), translation.prompt_text.front());
  return translation;
}

void GenerateCall::Post(void (GenerateCall::*step)()) {
  executor_.Post([self = shared_from_this(), step] { (self.get()->*step)(); });
}

void GenerateCall::OnWriteDone(bool ok) { Post(ok ? &GenerateCall::Wrote : &GenerateCall::WriteFailed); }
void GenerateCall::OnCancel() { Post(&GenerateCall::Cancelled); }

// The last reference goes on the executor, where nothing else can be using the group.
void GenerateCall::OnDone() {
  executor_.Post([self = std::move(self_)] {});
}

void GenerateCall::Begin() {
  if (!submitted_.ok()) return End(submitted_);
  group_->OnReady([weak = weak_from_this(), &executor = executor_] {
    executor.Post([weak] {
      if (const auto self = weak.lock()) self->Pump();
    });
  });
}

void GenerateCall::Wrote() {
  writing_ = false;
  Pump();
}

void GenerateCall::WriteFailed() {
  writing_ = false;
  Cancelled();
}

void GenerateCall::Cancelled() {
  cancelled_ = true;
  group_.reset();
  pending_.clear();
  Pump();
}

void GenerateCall::Pump() {
  if (ended_ || writing_) return;
  if (cancelled_) return End(absl::CancelledError("the client cancelled the call"));
  if (pending_.empty()) {
    group_->Poll([this](size_t index, Update& update) { Take(index, update); });
    if (group_->done() && !pending_.empty()) {
      v1::Usage* usage = pending_.back().mutable_usage();
      usage->set_prompt_tokens(group_->usage().prompt_tokens);
      usage->set_completion_tokens(group_->usage().generated_tokens);
    }
  }
  if (!pending_.empty()) {
    writing_message_ = std::move(pending_.front());
    pending_.pop_front();
    writing_ = true;
    return StartWrite(&writing_message_);
  }
  if (group_->done()) End(group_->failure());
}

void GenerateCall::Take(size_t index, Update& update) {
  v1::GenerateResponse message;
  message.set_index(static_cast<int32_t>(index));
  if (index < echo_.size()) message.set_text(std::exchange(echo_[index], {}));
  message.mutable_text()->append(update.text);
  for (const TokenResult& token : update.tokens) ToProto(token, with_logprobs_, message.add_tokens());
  for (const TokenResult& token : update.prompt_logprobs)
    ToProto(token, /*with_logprob=*/true, message.add_prompt_tokens());
  if (update.finish) {
    message.set_finish_reason(ToProto(update.finish->reason));
    if (update.finish->stop_string) message.set_stop_string(*update.finish->stop_string);
    if (update.finish->stop_token) message.set_stop_token_id(*update.finish->stop_token);
  }
  pending_.push_back(std::move(message));
}

void GenerateCall::End(absl::Status status) {
  ended_ = true;
  service_.metrics.OnGrpcEnd("Generate", static_cast<int>(status.code()));
  group_.reset();
  Finish(ToGrpcStatus(status));
}

}  // namespace batucada
