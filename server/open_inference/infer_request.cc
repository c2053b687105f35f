#include "server/open_inference/infer_request.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "engine/core/status.h"
#include "engine/model/json.h"
#include "server/error.h"
#include "server/http/completion_request.h"
#include "server/request_reader.h"

namespace batucada {
namespace {

namespace bj = boost::json;
static_assert(std::endian::native == std::endian::little, "tensors are little endian on the wire");

absl::Status BadTensor(const InferTensor& tensor, std::string_view problem) {
  return InvalidParameter(tensor.name, fmt::format("the tensor {} {}", tensor.name, problem), "invalid_value");
}

// Elements of `Wire`, converted to what JSON has for them.
template <typename Wire, typename Json>
void DecodeNumbers(std::string_view bytes, bj::array* out) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(Wire)) {
    Wire value;
    std::memcpy(&value, bytes.data() + at, sizeof(Wire));
    out->emplace_back(static_cast<Json>(value));
  }
}

struct NumberType {
  size_t bytes;
  void (*decode)(std::string_view bytes, bj::array* out);
};

const std::map<std::string_view, NumberType>& NumberTypes() {
  static const std::map<std::string_view, NumberType> types = {
      {"BOOL", {1, DecodeNumbers<uint8_t, bool>}},        {"INT8", {1, DecodeNumbers<int8_t, int64_t>}},
      {"INT16", {2, DecodeNumbers<int16_t, int64_t>}},    {"INT32", {4, DecodeNumbers<int32_t, int64_t>}},
      {"INT64", {8, DecodeNumbers<int64_t, int64_t>}},    {"UINT8", {1, DecodeNumbers<uint8_t, int64_t>}},
      {"UINT16", {2, DecodeNumbers<uint16_t, int64_t>}},  {"UINT32", {4, DecodeNumbers<uint32_t, int64_t>}},
      {"UINT64", {8, DecodeNumbers<uint64_t, uint64_t>}}, {"FP32", {4, DecodeNumbers<float, double>}},
      {"FP64", {8, DecodeNumbers<double, double>}},
  };
  return types;
}

absl::Status DecodeStrings(std::string_view bytes, int64_t count, InferTensor* tensor) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (bytes.size() < sizeof(length)) return BadTensor(*tensor, "is shorter than its shape says");
    std::memcpy(&length, bytes.data(), sizeof(length));
    bytes.remove_prefix(sizeof(length));
    if (bytes.size() < length) return BadTensor(*tensor, "is shorter than its elements' lengths say");
    tensor->elements.emplace_back(bj::string(bytes.data(), length));
    bytes.remove_prefix(length);
  }
  return bytes.empty() ? absl::OkStatus() : BadTensor(*tensor, "is longer than its shape says");
}

// The one element of a tensor that holds one.
absl::StatusOr<bj::value> Single(const InferTensor& tensor) {
  if (tensor.elements.size() != 1) {
    return BadTensor(tensor, fmt::format("has {} elements; it must have one", tensor.elements.size()));
  }
  return tensor.elements.front();
}

absl::StatusOr<bool> SingleBool(const InferTensor& tensor) {
  BATUCADA_ASSIGN_OR_RETURN(const bj::value value, Single(tensor));
  if (!value.is_bool())
    return BadTensor(tensor, fmt::format("is {}; it must be BOOL (true or false)", tensor.datatype));
  return value.get_bool();
}

// The names that Triton's TensorRT-LLM backend has for parameters.
std::string_view CompletionName(std::string_view name) {
  static const std::map<std::string_view, std::string_view> renamed = {
      {"stop_words", "stop"}, {"random_seed", "seed"}, {"beam_width", "n"}};
  const auto found = renamed.find(name);
  return found == renamed.end() ? name : found->second;
}

bool IsModelInput(std::string_view name) {
  return std::any_of(std::begin(kInferInputs), std::end(kInferInputs),
                     [&](const InferTensorMetadata& input) { return name == input.name; });
}

// Adds what a tensor says to the completion's members.
absl::Status ReadTensor(const InferTensor& tensor, bj::object* members, InferPlan* plan,
                        std::optional<bool>* exclude_input) {
  if (tensor.name == "text_input") {
    BATUCADA_ASSIGN_OR_RETURN((*members)["prompt"], Single(tensor));
    if (!(*members)["prompt"].is_string()) return BadTensor(tensor, "must be BYTES (text)");
    return absl::OkStatus();
  }
  if (tensor.name == "stream") {
    BATUCADA_ASSIGN_OR_RETURN(plan->pieces, SingleBool(tensor));
    return absl::OkStatus();
  }
  if (tensor.name == "exclude_input_in_output") {
    BATUCADA_ASSIGN_OR_RETURN(*exclude_input, SingleBool(tensor));
    return absl::OkStatus();
  }
  if (tensor.name == "sampling_parameters") {
    BATUCADA_ASSIGN_OR_RETURN(const bj::value text, Single(tensor));
    if (!text.is_string()) return BadTensor(tensor, "must be BYTES (text)");
    boost::system::error_code error;
    const bj::value parsed = bj::parse(bj::string_view(text.get_string()), error);
    if (error || !parsed.is_object()) return BadTensor(tensor, "must hold a JSON object");
    for (const auto& [name, value] : parsed.get_object()) (*members)[name] = value;
    return absl::OkStatus();
  }
  // Whatever is not IsModelInput names a parameter: a list where there is more than one element.
  const std::string_view name = CompletionName(tensor.name);
  (*members)[name] = tensor.elements.size() == 1 ? tensor.elements.front() : bj::value(tensor.elements);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInferVersion(std::string_view version) {
  if (version.empty() || version == kInferModelVersion) return absl::OkStatus();
  return absl::NotFoundError(
      fmt::format("the model has the version {} only, not {}", kInferModelVersion, version.substr(0, 100)));
}

absl::StatusOr<int64_t> CountElements(const InferTensor& tensor) {
  int64_t count = 1;
  for (const int64_t length : tensor.shape) {
    if (length < 0 || (length > 0 && count > kMaxTensorElements / length)) {
      return BadTensor(tensor,
                       fmt::format("has a shape of less than no elements, or of more than {}", kMaxTensorElements));
    }
    count *= length;
  }
  return count;
}

absl::Status CheckElementCount(const InferTensor& tensor) {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(tensor));
  if (static_cast<int64_t>(tensor.elements.size()) == count) return absl::OkStatus();
  return BadTensor(tensor, fmt::format("has {} elements where its shape says {}", tensor.elements.size(), count));
}

absl::Status CheckOutputName(std::string_view name) {
  if (name == "text_output") return absl::OkStatus();
  return InvalidParameter("outputs", fmt::format("there is no output {}; the model has text_output", Printable(name)));
}

absl::Status DecodeElements(std::string_view bytes, InferTensor* tensor) {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(*tensor));
  if (tensor->datatype == "BYTES") return DecodeStrings(bytes, count, tensor);
  const auto type = NumberTypes().find(tensor->datatype);
  if (type == NumberTypes().end()) {
    return BadTensor(*tensor, fmt::format("has the datatype {}, which this model has no use for", tensor->datatype));
  }
  if (bytes.size() != static_cast<size_t>(count) * type->second.bytes) {
    return BadTensor(*tensor, fmt::format("has {} bytes where its shape and datatype say {}", bytes.size(),
                                          static_cast<size_t>(count) * type->second.bytes));
  }
  type->second.decode(bytes, &tensor->elements);
  return absl::OkStatus();
}

absl::StatusOr<InferPlan> PlanInfer(const InferRequest& request, InferCall call) {
  BATUCADA_RETURN_IF_ERROR(CheckInferVersion(request.version));
  InferPlan plan;
  bj::object members;
  std::optional<bool> exclude_input;
  for (const auto& [name, value] : request.parameters) {
    if (name == "triton_enable_empty_final_response") {
      plan.empty_final_response = value.is_bool() && value.get_bool();
    } else if (IsModelInput(name)) {
      const InferTensor tensor = {.name = name, .datatype = DescribeJson(value), .shape = {}, .elements = {value}};
      BATUCADA_RETURN_IF_ERROR(ReadTensor(tensor, &members, &plan, &exclude_input));
    } else {
      members[CompletionName(name)] = value;
    }
  }
  for (const InferTensor& tensor : request.inputs) {
    BATUCADA_RETURN_IF_ERROR(ReadTensor(tensor, &members, &plan, &exclude_input));
  }
  if (!members.contains("prompt")) {
    return InvalidParameter("text_input", "the tensor text_input is missing: BYTES [1], the prompt",
                            "missing_parameter");
  }
  if (plan.pieces && call == InferCall::kOneResponse) {
    return InvalidParameter(
        "stream", "stream is true, but this call answers once: use ModelStreamInfer, or generate_stream over HTTP",
        "invalid_value");
  }
  if (plan.pieces && exclude_input == false) {
    return InvalidParameter("exclude_input_in_output",
                            "exclude_input_in_output must be true, or left out, where the answer is streamed",
                            "invalid_value");
  }
  members["model"] = request.model;
  members["echo"] = !exclude_input.value_or(plan.pieces);
  BATUCADA_ASSIGN_OR_RETURN(plan.params, ParseCompletionRequest(bj::serialize(members)));
  plan.params.stream = plan.pieces;
  if (plan.pieces && plan.params.n.value_or(1) != 1) {
    return InvalidParameter("n", "n must be 1 where the answer is streamed", "invalid_value");
  }
  return plan;
}

std::string EncodeBytesElements(const std::vector<std::string>& elements) {
  std::string bytes;
  for (const std::string& element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += element;
  }
  return bytes;
}

}  // namespace batucada
