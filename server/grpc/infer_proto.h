// Requests and responses of the Open Inference Protocol as its messages.
#pragma once

#include "absl/status/statusor.h"
#include "inference/open_inference.pb.h"
#include "server/open_inference/infer_answer.h"
#include "server/open_inference/infer_request.h"

namespace batucada {

// INVALID_ARGUMENT names the tensor.
absl::StatusOr<InferRequest> FromProto(const inference::ModelInferRequest& request);

inference::ModelInferResponse ToProto(const InferAnswer& answer, const InferResponse& response);

}  // namespace batucada
