// One request of the Open Inference Protocol, from its message to its responses.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "inference/open_inference.pb.h"
#include "server/generation_group.h"
#include "server/open_inference/infer_request.h"
#include "server/service.h"

namespace batucada {

// Used by one thread at a time. Destroying it cancels what still runs.
class InferAnswer {
 public:
  // Validates and submits. A refusal is counted and logged.
  static absl::StatusOr<std::unique_ptr<InferAnswer>> Submit(Service& service,
                                                             const inference::ModelInferRequest& request,
                                                             InferCall call, RequestOrigin origin, absl::Time deadline);

  // See GenerationGroup::OnReady.
  void OnReady(const std::function<void()>& wake) { group_->OnReady(wake); }
  // Appends the responses that are ready, without waiting.
  void Take(std::deque<inference::ModelInferResponse>* responses);
  // Nothing will come any more: all was taken, or `failure` says why not.
  bool done() const { return group_->done(); }
  const absl::Status& failure() const { return group_->failure(); }
  const std::string& id() const { return id_; }

 private:
  InferAnswer() = default;
  // A response with these texts, one for each choice; the last of the request or not.
  inference::ModelInferResponse Respond(const std::vector<std::string>& texts, bool last) const;

  std::string id_;
  std::string model_;
  InferPlan plan_;
  std::unique_ptr<GenerationGroup> group_;
  std::vector<std::string> texts_;  // of each choice, not sent yet
};

// The request as the protocol's other wire would have it too. INVALID_ARGUMENT names the tensor.
absl::StatusOr<InferRequest> FromProto(const inference::ModelInferRequest& request);

}  // namespace batucada
