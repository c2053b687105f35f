#include "server/grpc/complete_call.h"

#include <utility>

#include "engine/core/status.h"
#include "server/grpc/call_context.h"
#include "server/grpc/status.h"
#include "server/grpc/token_proto.h"

namespace batucada {

grpc::ServerUnaryReactor* CompleteCall::Start(Service& service, Executor& executor,
                                              grpc::CallbackServerContext* context,
                                              absl::StatusOr<CompletionParams> params, v1::CompleteResponse* response) {
  auto call = std::make_shared<CompleteCall>(service, executor, response);
  call->self_ = call;
  call->submitted_ = call->Submit(context, std::move(params));
  executor.Post([call] { call->Begin(); });
  return call.get();
}

absl::Status CompleteCall::Submit(grpc::CallbackServerContext* context, absl::StatusOr<CompletionParams> params) {
  const RequestOrigin origin = OriginOf(context, "grpc.complete");
  absl::StatusOr<Translation> translation = TranslateCall(service_, *context, &params);
  if (!translation.ok()) {
    NoteRefusal(service_, origin, translation.status());
    return translation.status();
  }
  with_logprobs_ = params->logprobs.has_value();
  for (size_t i = 0; i < translation->choices(); ++i) {
    v1::CompleteResponse::Choice* choice = response_->add_choices();
    if (params->echo) choice->set_text(translation->prompt_text.front());
  }
  BATUCADA_ASSIGN_OR_RETURN(group_, GenerationGroup::Submit(service_, *std::move(translation), origin));
  return absl::OkStatus();
}

void CompleteCall::Begin() {
  if (!submitted_.ok()) return End(submitted_);
  if (ended_) return;
  group_->OnReady([weak = weak_from_this(), &executor = executor_] {
    executor.Post([weak] {
      if (const auto self = weak.lock()) self->Pump();
    });
  });
}

void CompleteCall::Pump() {
  if (ended_) return;
  group_->Poll([this](size_t index, Update& update) {
    v1::CompleteResponse::Choice* choice = response_->mutable_choices(static_cast<int>(index));
    choice->mutable_text()->append(update.text);
    for (const TokenResult& token : update.tokens) ToProto(token, with_logprobs_, choice->add_tokens());
    if (index == 0) {  // every choice scores the same prompt
      for (const TokenResult& token : update.prompt_logprobs) {
        ToProto(token, /*with_logprob=*/true, response_->add_prompt_tokens());
      }
    }
    if (update.finish) SetFinish(*update.finish, choice);
  });
  if (!group_->done()) return;
  v1::Usage* usage = response_->mutable_usage();
  usage->set_prompt_tokens(group_->usage().prompt_tokens);
  usage->set_completion_tokens(group_->usage().generated_tokens);
  End(group_->failure());
}

void CompleteCall::OnCancel() {
  executor_.Post([self = shared_from_this()] { self->End(absl::CancelledError("the client cancelled the call")); });
}

void CompleteCall::End(const absl::Status& status) {
  if (std::exchange(ended_, true)) return;
  const grpc::Status said = ToGrpcStatus(status);
  service_.metrics.OnGrpcEnd("Complete", static_cast<int>(status.code()));
  group_.reset();  // `status` may have been its own
  Finish(said);
}

// The last reference goes on the executor, where nothing else can be using the group.
void CompleteCall::OnDone() {
  executor_.Post([self = std::move(self_)] {});
}

}  // namespace batucada
