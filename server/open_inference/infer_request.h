// A request of the Open Inference Protocol (KServe v2), whichever wire it came over, and what it asks for.
// The protocol's tensors are described in proto/inference/open_inference.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/generate/completion_params.h"

namespace batucada {

struct InferTensor {
  std::string name;
  std::string datatype;        // BYTES, BOOL, INT32, FP32, …
  std::vector<int64_t> shape;  // all elements together: at most kMaxTensorElements
  boost::json::array elements;
};
inline constexpr int64_t kMaxTensorElements = 4096;

struct InferRequest {
  std::string id;  // given back
  std::string model;
  std::string version;
  boost::json::object parameters;
  std::vector<InferTensor> inputs;
};

// What the request comes to: a completion, and how its text is to be delivered.
struct InferPlan {
  CompletionParams params;
  bool pieces = false;                // a response for every piece of text
  bool empty_final_response = false;  // and one without text at the end
  absl::Duration timeout = absl::InfiniteDuration();
};

// How the call that carries the request answers.
enum class InferCall : uint8_t { kOneResponse, kStream };

// What the model's metadata says.
struct InferTensorMetadata {
  const char* name;
  const char* datatype;
  int64_t length;  // of its one dimension; -1: any
};
inline constexpr InferTensorMetadata kInferInputs[] = {{"text_input", "BYTES", 1},
                                                       {"stream", "BOOL", 1},
                                                       {"sampling_parameters", "BYTES", 1},
                                                       {"exclude_input_in_output", "BOOL", 1}};
inline constexpr InferTensorMetadata kInferOutputs[] = {{"text_output", "BYTES", -1}};

inline constexpr std::string_view kInferModelVersion = "1";
// NOT_FOUND unless it is that, or empty.
absl::Status CheckInferVersion(std::string_view version);

// Parameters of one request, which has names for a few hundred.
inline constexpr int64_t kMaxInferParameters = 1024;
// INVALID_ARGUMENT if there are more: names that strangers choose may all meet in one bucket of a table.
absl::Status CheckInferParameters(size_t count);

// Adds a parameter that may be told in several places, unless it is null. INVALID_ARGUMENT if it is there with another
// value, or is one too many.
absl::Status AddOnce(std::string_view name, const boost::json::value& value, boost::json::object* given);

// INVALID_ARGUMENT or NOT_FOUND (the version) name the tensor or the parameter. Values are checked by Translate. Types
// are taken as Typing::kLenient does, and names as backend_names.h has them.
absl::StatusOr<InferPlan> PlanInfer(const InferRequest& request, InferCall call);

// The elements of a tensor of this datatype and shape, from little-endian bytes.
absl::Status DecodeElements(std::string_view bytes, InferTensor* tensor);
// The number of elements that the shape says. INVALID_ARGUMENT if it is negative or too large.
absl::StatusOr<int64_t> CountElements(const InferTensor& tensor);
// INVALID_ARGUMENT unless the tensor has as many elements as its shape says, of its datatype.
absl::Status CheckElements(const InferTensor& tensor);
// INVALID_ARGUMENT unless it is text_output.
absl::Status CheckOutputName(std::string_view name);

// BYTES elements as bytes: each with its length before it.
std::string EncodeBytesElements(const std::vector<std::string>& elements);

}  // namespace batucada
