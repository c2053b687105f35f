#include "server/grpc/infer_answer.h"

#include <utility>

#include <fmt/format.h>

#include "engine/core/status.h"
#include "server/error.h"
#include "server/translate.h"

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

// Elements given field by field: whichever fields the sender filled, in the protocol's order.
void AddContents(const inference::InferTensorContents& contents, boost::json::array* out) {
  for (const bool value : contents.bool_contents()) out->emplace_back(value);
  for (const int32_t value : contents.int_contents()) out->emplace_back(value);
  for (const int64_t value : contents.int64_contents()) out->emplace_back(value);
  for (const uint32_t value : contents.uint_contents()) out->emplace_back(value);
  for (const uint64_t value : contents.uint64_contents()) out->emplace_back(value);
  for (const float value : contents.fp32_contents()) out->emplace_back(static_cast<double>(value));
  for (const double value : contents.fp64_contents()) out->emplace_back(value);
  for (const std::string& value : contents.bytes_contents()) out->emplace_back(boost::json::string(value));
}

absl::StatusOr<InferPlan> Plan(const inference::ModelInferRequest& request, InferCall call) {
  BATUCADA_ASSIGN_OR_RETURN(const InferRequest read, FromProto(request));
  return PlanInfer(read, call);
}

}  // namespace

absl::StatusOr<InferRequest> FromProto(const inference::ModelInferRequest& request) {
  InferRequest read{.model = request.model_name(), .version = request.model_version()};
  for (const auto& [name, parameter] : request.parameters()) read.parameters[name] = ToJson(parameter);
  const int raw = request.raw_input_contents_size();
  if (raw > 0 && raw != request.inputs_size()) {
    return InvalidParameter("raw_input_contents",
                            fmt::format("raw_input_contents has {} tensors and inputs {}; it must "
                                        "have all of them or none",
                                        raw, request.inputs_size()));
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    InferTensor tensor{.name = input.name(), .datatype = input.datatype(), .shape = {}, .elements = {}};
    tensor.shape.assign(input.shape().begin(), input.shape().end());
    if (raw > 0) {
      BATUCADA_RETURN_IF_ERROR(DecodeElements(request.raw_input_contents(i), &tensor));
    } else {
      BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(tensor));
      AddContents(input.contents(), &tensor.elements);
      if (static_cast<int64_t>(tensor.elements.size()) != count) {
        return InvalidParameter(tensor.name, fmt::format("the tensor {} has {} elements where its shape says {}",
                                                         tensor.name, tensor.elements.size(), count));
      }
    }
    read.inputs.push_back(std::move(tensor));
  }
  for (const auto& output : request.outputs()) {
    if (output.name() != "text_output") {
      return InvalidParameter("outputs",
                              fmt::format("there is no output {}; the model has text_output", output.name()));
    }
  }
  return read;
}

absl::StatusOr<std::unique_ptr<InferAnswer>> InferAnswer::Submit(Service& service,
                                                                 const inference::ModelInferRequest& request,
                                                                 InferCall call, RequestOrigin origin,
                                                                 absl::Time deadline) {
  std::unique_ptr<InferAnswer> answer(new InferAnswer());
  answer->id_ = request.id();
  const auto translate = [&]() -> absl::StatusOr<Translation> {
    BATUCADA_ASSIGN_OR_RETURN(answer->plan_, Plan(request, call));
    answer->plan_.params.deadline = deadline;
    return Translate(answer->plan_.params, service.translation());
  };
  absl::StatusOr<Translation> translation = translate();
  if (!translation.ok()) {
    NoteRefusal(service, origin, translation.status());
    return translation.status();
  }
  answer->model_ = translation->model;
  answer->texts_.resize(translation->choices());
  if (answer->plan_.params.echo) {
    answer->texts_.assign(translation->choices(), translation->prompt_text.front());
  }
  BATUCADA_ASSIGN_OR_RETURN(answer->group_,
                            GenerationGroup::Submit(service, *std::move(translation), std::move(origin)));
  return answer;
}

void InferAnswer::Take(std::deque<inference::ModelInferResponse>* responses) {
  if (done()) return;
  group_->Poll([&](size_t index, Update& update) {
    texts_[index] += update.text;
    if (!plan_.pieces || (texts_[index].empty() && !update.finish)) return;
    const bool last = update.finish.has_value() && !plan_.empty_final_response;
    responses->push_back(Respond({std::exchange(texts_[index], {})}, last));
  });
  if (!done() || !failure().ok()) return;
  if (!plan_.pieces) responses->push_back(Respond(texts_, !plan_.empty_final_response));
  if (plan_.empty_final_response) responses->push_back(Respond({}, true));
}

inference::ModelInferResponse InferAnswer::Respond(const std::vector<std::string>& texts, bool last) const {
  inference::ModelInferResponse response;
  response.set_model_name(model_);
  response.set_model_version(std::string(kInferModelVersion));
  response.set_id(id_);
  (*response.mutable_parameters())["triton_final_response"].set_bool_param(last);
  if (texts.empty()) return response;
  auto* const output = response.add_outputs();
  output->set_name("text_output");
  output->set_datatype("BYTES");
  output->add_shape(static_cast<int64_t>(texts.size()));
  response.add_raw_output_contents(EncodeBytesElements(texts));
  return response;
}

}  // namespace batucada
