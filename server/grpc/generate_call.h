// One Generate or Chat call: a stream of messages, one in flight at a time.
//
// gRPC calls the reactor's methods from its own threads; each only posts to the call's executor, where everything
// happens, so there is no lock. A client that reads slowly leaves its tokens in its generations' own buffers.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/statusor.h"
#include "batucada/v1/batucada.pb.h"
#include "server/executor.h"
#include "server/generation_group.h"
#include "server/service.h"
#include "server/translate.h"

namespace batucada {

class GenerateCall : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                     public std::enable_shared_from_this<GenerateCall> {
 public:
  // Validates and submits, and answers from then on; a refused request ends with its status. gRPC owns the result.
  static grpc::ServerWriteReactor<v1::GenerateResponse>* Start(Service& service, Executor& executor,
                                                               grpc::CallbackServerContext* context, const char* method,
                                                               absl::StatusOr<CompletionParams> params);

  GenerateCall(Service& service, Executor& executor, const char* method)
      : service_(service), executor_(executor), method_(method) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  absl::Status Submit(grpc::CallbackServerContext* context, absl::StatusOr<CompletionParams> params);
  void Post(void (GenerateCall::*step)());

  // On the executor, Begin before all others:
  void Begin();
  void Pump();
  void Cancelled();
  void Wrote();
  void WriteFailed();
  void Take(size_t index, Update& update);
  void End(absl::Status status);  // by value: it is often the group's own, which ends here

  Service& service_;
  Executor& executor_;
  const char* const method_;            // for metrics and the log
  std::shared_ptr<GenerateCall> self_;  // until gRPC is done with this

  absl::Status submitted_;  // what became of it, before anything runs on the executor

  // The executor's own.
  std::unique_ptr<GenerationGroup> group_;
  std::vector<std::string> echo_;  // of each choice, until its first message
  std::deque<v1::GenerateResponse> pending_;
  v1::GenerateResponse writing_message_;
  bool with_logprobs_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
};

}  // namespace batucada
