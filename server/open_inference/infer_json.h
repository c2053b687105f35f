// Requests and responses of the Open Inference Protocol as JSON: the protocol's own form with its binary tensors, and
// the short one of Triton's generate extension.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "server/json/parameter_table.h"
#include "server/open_inference/infer_answer.h"
#include "server/open_inference/infer_request.h"

namespace batucada {

enum class OutputForm : uint8_t { kJson, kBinary };

// POST /v2/models/NAME/infer as it came, all but the path's part of the request.
struct InferBody {
  InferRequest request;
  std::vector<std::optional<int64_t>> binary_sizes;  // of each input: its elements are so many bytes behind the JSON
  OutputForm output_form = OutputForm::kJson;
};

// The JSON's members, for the API's description.
const ParameterTable<InferBody>& InferParameters();
// `json_bytes`: how long the JSON is, if binary tensors follow it (the header Inference-Header-Content-Length).
// INVALID_ARGUMENT names the member or the tensor.
absl::StatusOr<InferBody> ParseInfer(std::string_view body, std::optional<size_t> json_bytes);

// POST /v2/models/NAME/generate and generate_stream: {"text_input": …, "parameters": {…}}; any other member is a
// parameter too. A stream is cut into pieces unless "stream" says false.
absl::StatusOr<InferRequest> ParseGenerate(std::string_view body, InferCall call);
boost::json::object GenerateSchema();

// {"model_name": …, "outputs": […]}. With kBinary the elements are appended to `binary` instead.
std::string WriteInferResponse(const InferAnswer& answer, const InferResponse& response, OutputForm form,
                               std::string* binary);
// {"model_name": …, "text_output": …}: a list if there are several choices.
std::string WriteGenerateResponse(const InferAnswer& answer, const InferResponse& response);

}  // namespace batucada
