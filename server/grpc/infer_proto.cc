#include "server/grpc/infer_proto.h"

#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/common/shortest_double.h"

namespace batucada {
namespace {

boost::json::value ToJson(const inference::InferParameter& parameter) {
  switch (parameter.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam: return parameter.bool_param();
    case inference::InferParameter::kInt64Param: return parameter.int64_param();
    case inference::InferParameter::kStringParam: return boost::json::value(parameter.string_param());
    case inference::InferParameter::kDoubleParam: return parameter.double_param();
    case inference::InferParameter::kUint64Param: return parameter.uint64_param();
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET: break;
  }
  return nullptr;
}

int64_t SizeOf(const inference::InferTensorContents& contents) {
  return int64_t{0} + contents.bool_contents_size() + contents.int_contents_size() + contents.int64_contents_size() +
         contents.uint_contents_size() + contents.uint64_contents_size() + contents.fp32_contents_size() +
         contents.fp64_contents_size() + contents.bytes_contents_size();
}

// Elements given field by field: whichever fields the sender filled, in the protocol's order.
void AddContents(const inference::InferTensorContents& contents, boost::json::array* out) {
  for (const bool value : contents.bool_contents()) out->emplace_back(value);
  for (const int32_t value : contents.int_contents()) out->emplace_back(value);
  for (const int64_t value : contents.int64_contents()) out->emplace_back(value);
  for (const uint32_t value : contents.uint_contents()) out->emplace_back(value);
  for (const uint64_t value : contents.uint64_contents()) out->emplace_back(value);
  for (const float value : contents.fp32_contents()) out->emplace_back(ShortestDouble(value));
  for (const double value : contents.fp64_contents()) out->emplace_back(value);
  for (const std::string& value : contents.bytes_contents()) out->emplace_back(boost::json::string(value));
}

// Classes, shared memory and what else tensors can have would change an answer: none is offered.
absl::Status CheckNoParameters(const std::string& path,
                               const google::protobuf::Map<std::string, inference::InferParameter>& parameters) {
  if (parameters.empty()) return absl::OkStatus();
  const std::string name = fmt::format("{}.parameters.{}", path, Printable(parameters.begin()->first));
  return InvalidParameter(name, fmt::format("{} is not a parameter of this endpoint", name), "unsupported_parameter");
}

}  // namespace

absl::StatusOr<InferRequest> FromProto(const inference::ModelInferRequest& request) {
  InferRequest read{.id = request.id(), .model = request.model_name(), .version = request.model_version()};
  BATUCADA_RETURN_IF_ERROR(CheckInferParameters(request.parameters().size()));
  for (const auto& [name, parameter] : request.parameters()) {
    if (parameter.parameter_choice_case() == inference::InferParameter::PARAMETER_CHOICE_NOT_SET) {
      return InvalidParameter(name, fmt::format("{} has no value: give it one, or leave it out", Printable(name)));
    }
    read.parameters[name] = ToJson(parameter);
  }
  const int raw = request.raw_input_contents_size();
  if (raw > 0 && raw != request.inputs_size()) {
    return InvalidParameter("raw_input_contents",
                            fmt::format("raw_input_contents has {} tensors and inputs {}; it must "
                                        "have all of them or none",
                                        raw, request.inputs_size()));
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    // A shape without numbers is that of one element: only over HTTP it can be told from one that is not there.
    for (const auto& [member, value] : {std::pair("name", &input.name()), std::pair("datatype", &input.datatype())}) {
      if (!value->empty()) continue;
      const std::string path = fmt::format("inputs[{}].{}", i, member);
      return InvalidParameter(path, path + " is missing", "missing_parameter");
    }
    BATUCADA_RETURN_IF_ERROR(CheckNoParameters(fmt::format("inputs[{}]", i), input.parameters()));
    InferTensor tensor{.name = input.name(), .datatype = input.datatype(), .shape = {}, .elements = {}};
    tensor.shape.assign(input.shape().begin(), input.shape().end());
    if (raw > 0) {
      // Which of the two is meant, nobody can say.
      if (SizeOf(input.contents()) > 0) {
        return InvalidParameter(tensor.name, fmt::format("the tensor {} has contents beside raw_input_contents: give "
                                                         "its elements in one of them",
                                                         Printable(tensor.name)));
      }
      BATUCADA_RETURN_IF_ERROR(DecodeElements(request.raw_input_contents(i), &tensor));
    } else {
      // Counted before a value of JSON is made of each.
      BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(tensor));
      if (const int64_t there = SizeOf(input.contents()); there != count) {
        return InvalidParameter(tensor.name, fmt::format("the tensor {} has {} elements where its shape says {}",
                                                         Printable(tensor.name), there, count));
      }
      AddContents(input.contents(), &tensor.elements);
      BATUCADA_RETURN_IF_ERROR(CheckElements(tensor));
    }
    read.inputs.push_back(std::move(tensor));
  }
  for (int i = 0; i < request.outputs_size(); ++i) {
    BATUCADA_RETURN_IF_ERROR(CheckOutputName(request.outputs(i).name()));
    BATUCADA_RETURN_IF_ERROR(CheckNoParameters(fmt::format("outputs[{}]", i), request.outputs(i).parameters()));
  }
  return read;
}

inference::ModelInferResponse ToProto(const InferAnswer& answer, const InferResponse& response) {
  inference::ModelInferResponse message;
  message.set_model_name(answer.model());
  message.set_model_version(std::string(kInferModelVersion));
  message.set_id(answer.id());
  (*message.mutable_parameters())["triton_final_response"].set_bool_param(response.last);
  if (response.texts.empty()) return message;
  auto* const output = message.add_outputs();
  output->set_name("text_output");
  output->set_datatype("BYTES");
  output->add_shape(static_cast<int64_t>(response.texts.size()));
  message.add_raw_output_contents(EncodeBytesElements(response.texts));
  return message;
}

}  // namespace batucada
