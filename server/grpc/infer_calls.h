// The two calls that carry requests of the Open Inference Protocol: one request and its answer, and a stream of both.
// As in generate_call.h, gRPC's threads only post to the call's executor.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "inference/open_inference.pb.h"
#include "server/executor.h"
#include "server/open_inference/infer_answer.h"
#include "server/service.h"

namespace batucada {

class ModelInferCall : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<ModelInferCall> {
 public:
  // Answers from then on. gRPC owns the result.
  static grpc::ServerUnaryReactor* Start(Service& service, Executor& executor, grpc::CallbackServerContext* context,
                                         const inference::ModelInferRequest& request,
                                         inference::ModelInferResponse* response);

  ModelInferCall(Service& service, Executor& executor, inference::ModelInferResponse* response)
      : service_(service), executor_(executor), response_(response) {}

  void OnCancel() override;
  void OnDone() override;

 private:
  // On the executor:
  void Begin();
  void Pump();
  void End(const absl::Status& status);

  Service& service_;
  Executor& executor_;
  inference::ModelInferResponse* const response_;  // gRPC's, until Finish
  std::shared_ptr<ModelInferCall> self_;           // until gRPC is done with this
  absl::Status submitted_;
  std::unique_ptr<InferAnswer> answer_;
  bool ended_ = false;
};

class ModelStreamInferCall
    : public grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>,
      public std::enable_shared_from_this<ModelStreamInferCall> {
 public:
  using Reactor = grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>;
  static Reactor* Start(Service& service, Executor& executor, grpc::CallbackServerContext* context);

  ModelStreamInferCall(Service& service, Executor& executor) : service_(service), executor_(executor) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  static constexpr size_t kMostAtOnce = 64;  // requests of one call that run; more are not read until one has ended

  void Post(void (ModelStreamInferCall::*step)());
  // On the executor:
  void Begin();
  void Received();  // request_ holds one
  void Submit(const inference::ModelInferRequest& request);
  void SubmitOffThread(std::shared_ptr<const inference::ModelInferRequest> request);
  void Accept(const std::string& id, absl::StatusOr<std::unique_ptr<InferAnswer>> answer);
  void HalfClosed();
  void Wrote();
  void Cancelled();
  void Pump();
  void Fail(const std::string& id, const absl::Status& status);
  void ReadNext();
  void End(const absl::Status& status);

  Service& service_;
  Executor& executor_;
  std::shared_ptr<ModelStreamInferCall> self_;  // until gRPC is done with this
  absl::Status allowed_;                        // whether the call may be made at all
  RequestOrigin origin_;
  absl::Time deadline_ = absl::InfiniteFuture();

  // The executor's own.
  inference::ModelInferRequest request_;
  size_t tokenizing_ = 0;                              // requests that a work thread has
  std::vector<std::unique_ptr<InferAnswer>> answers_;  // that run
  std::deque<inference::ModelStreamInferResponse> pending_;
  inference::ModelStreamInferResponse writing_message_;
  bool reading_ = false;
  bool half_closed_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
};

}  // namespace batucada
