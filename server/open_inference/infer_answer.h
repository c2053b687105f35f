// One request of the Open Inference Protocol from its arrival to its responses, whichever wire it came over.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/generate/generation_group.h"
#include "server/generate/service.h"
#include "server/open_inference/infer_request.h"

namespace batucada {

struct InferResponse {
  std::vector<std::string> texts;  // one for each choice; none in an empty final response
  bool last = false;               // of the request
};

// Used by one thread at a time. Destroying it cancels what still runs.
class InferAnswer {
 public:
  // Validates and submits. A refusal, also one that comes as `request`, is counted and logged.
  static absl::StatusOr<std::unique_ptr<InferAnswer>> Submit(Service& service, absl::StatusOr<InferRequest> request,
                                                             InferCall call, RequestOrigin origin, absl::Time deadline);

  // See GenerationGroup::OnReady.
  void OnReady(const std::function<void()>& wake) { group_->OnReady(wake); }
  // Appends the responses that are ready, without waiting.
  void Take(std::deque<InferResponse>* responses);
  // Nothing will come any more: all was taken, or `failure` says why not.
  bool done() const { return group_->done(); }
  const absl::Status& failure() const { return group_->failure(); }
  const std::string& id() const { return id_; }
  const std::string& model() const { return model_; }

 private:
  InferAnswer() = default;

  std::string id_;
  std::string model_;
  InferPlan plan_;
  std::unique_ptr<GenerationGroup> group_;
  std::vector<std::string> texts_;  // of each choice, not sent yet
};

}  // namespace batucada
