// One Complete call: all of an answer in one message. As in generate_call.h, gRPC's threads only post to the executor.
#pragma once

#include <memory>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/statusor.h"
#include "batucada/v1/batucada.pb.h"
#include "server/completion_params.h"
#include "server/executor.h"
#include "server/generation_group.h"
#include "server/service.h"

namespace batucada {

class CompleteCall : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<CompleteCall> {
 public:
  // Answers from then on. gRPC owns the result.
  static grpc::ServerUnaryReactor* Start(Service& service, Executor& executor, grpc::CallbackServerContext* context,
                                         absl::StatusOr<CompletionParams> params, v1::CompleteResponse* response);

  CompleteCall(Service& service, Executor& executor, v1::CompleteResponse* response)
      : service_(service), executor_(executor), response_(response) {}

  void OnCancel() override;
  void OnDone() override;

 private:
  absl::Status Submit(grpc::CallbackServerContext* context, absl::StatusOr<CompletionParams> params);
  // On the executor:
  void Begin();
  void Pump();
  void End(const absl::Status& status);

  Service& service_;
  Executor& executor_;
  v1::CompleteResponse* const response_;  // gRPC's, until Finish
  std::shared_ptr<CompleteCall> self_;    // until gRPC is done with this
  absl::Status submitted_;
  std::unique_ptr<GenerationGroup> group_;
  bool with_logprobs_ = false;
  bool ended_ = false;
};

}  // namespace batucada
