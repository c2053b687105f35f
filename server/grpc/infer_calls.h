// The two calls that carry requests of the Open Inference Protocol: one request and its answer, and a stream of both.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "inference/open_inference.pb.h"
#include "server/generate/service.h"
#include "server/grpc/call.h"
#include "server/open_inference/infer_answer.h"

namespace batucada {

class ModelInferCall : public CallHandler {
 public:
  ModelInferCall(Service& service, Call& call) : CallHandler(call), service_(service) {}

  void OnMessage(WireMessage message) override;
  void OnWake() override;

 private:
  Service& service_;
  std::unique_ptr<InferAnswer> answer_;
};

class ModelStreamInferCall : public CallHandler {
 public:
  ModelStreamInferCall(Service& service, Call& call) : CallHandler(call), service_(service) {}

  void OnMessage(WireMessage message) override;
  void OnEnd() override;
  bool idle() const override { return Pending() == 0; }
  void OnWake() override { Pump(); }
  void OnDrained() override { Pump(); }

 private:
  static constexpr int kIdField = 3;  // of a request
  // Requests of one call that run, or whose failure its client has not taken; more are not read until there are fewer.
  static constexpr size_t kMostAtOnce = 64;

  // What became of one request.
  struct Submitted {
    std::string id;
    absl::Status refusal;
    std::unique_ptr<InferAnswer> answer;  // null if it was refused
  };
  static absl::StatusOr<Submitted> Submit(Service& service, const WireMessage& message, const CallInfo& info);

  void Accept(absl::StatusOr<Submitted> submitted);
  void Fail(const std::string& id, const absl::Status& status);
  void Pump();
  size_t Pending() const { return submitting_ + answers_.size() + pending_.size(); }

  Service& service_;
  size_t submitting_ = 0;                              // requests that a work thread has
  std::vector<std::unique_ptr<InferAnswer>> answers_;  // that run
  std::vector<inference::ModelStreamInferResponse> pending_;
  bool ended_ = false;  // by the client
};

}  // namespace batucada
