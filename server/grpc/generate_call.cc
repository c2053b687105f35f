#include "server/grpc/generate_call.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/core/status.h"
#include "server/grpc/call_context.h"
#include "server/grpc/status.h"
#include "server/grpc/token_proto.h"

namespace batucada {
grpc::ServerWriteReactor<v1::GenerateResponse>* GenerateCall::Start(Service& service, Executor& executor,
                                                                    grpc::CallbackServerContext* context,
                                                                    const char* method,
                                                                    absl::StatusOr<CompletionParams> params) {
  auto call = std::make_shared<GenerateCall>(service, executor, method);
  call->self_ = call;
  call->submitted_ = call->Submit(context, std::move(params));
  call->Post(&GenerateCall::Begin);
  return call.get();
}

absl::Status GenerateCall::Submit(grpc::CallbackServerContext* context, absl::StatusOr<CompletionParams> params) {
  const RequestOrigin origin = OriginOf(context, absl::StrCat("grpc.", absl::AsciiStrToLower(method_)));
  absl::StatusOr<Translation> translation = TranslateCall(service_, *context, &params);
  if (!translation.ok()) {
    NoteRefusal(service_, origin, translation.status());
    return translation.status();
  }
  with_logprobs_ = params->logprobs.has_value();
  if (params->echo) echo_.assign(translation->choices(), translation->prompt_text.front());
  BATUCADA_ASSIGN_OR_RETURN(group_, GenerationGroup::Submit(service_, *std::move(translation), origin));
  return absl::OkStatus();
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
  if (update.finish) SetFinish(*update.finish, &message);
  pending_.push_back(std::move(message));
}

void GenerateCall::End(absl::Status status) {
  ended_ = true;
  service_.metrics.OnGrpcEnd(method_, static_cast<int>(status.code()));
  group_.reset();
  Finish(ToGrpcStatus(status));
}

}  // namespace batucada
