#include "server/open_inference/infer_json.h"

#include <utility>

#include <fmt/format.h>

#include "base/status.h"
#include "server/common/error.h"
#include "server/json/json_writer.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr int kMaxTensorDepth = 8;

void ReadParameters(RequestReader& reader, InferBody& body) {
  const bj::value* const value = reader.Take("parameters");
  if (value == nullptr) return;
  if (!value->is_object())
    return reader.Fail("parameters", fmt::format("must be an object, not {}", DescribeJson(*value)));
  body.request.parameters = value->get_object();
  const bj::value* const binary = body.request.parameters.if_contains("binary_data_output");
  if (binary == nullptr) return;
  if (!binary->is_bool()) return reader.Fail("parameters.binary_data_output", "must be true or false");
  body.output_form = binary->get_bool() ? OutputForm::kBinary : OutputForm::kJson;
  body.request.parameters.erase("binary_data_output");
}

// Lists in lists, row-major.
bool Flatten(const bj::array& data, int depth, bj::array* out) {
  for (const bj::value& value : data) {
    if (!value.is_array()) {
      out->push_back(value);
    } else if (depth == 0 || !Flatten(value.get_array(), depth - 1, out)) {
      return false;
    }
  }
  return true;
}

absl::Status ReadInput(const bj::object& object, const std::string& path, InferBody& body) {
  InferTensor tensor;
  RequestReader reader(object, path + ".");
  for (const char* name : {"name", "datatype", "shape"}) {
    if (reader.Take(name) == nullptr) reader.Fail(name, "is missing", "missing_parameter");
  }
  reader.Read("name", &tensor.name);
  reader.Read("datatype", &tensor.datatype);
  reader.Read("shape", &tensor.shape);
  if (reader.ok() && tensor.name.empty()) reader.Fail("name", "is empty: give it one");
  if (reader.ok() && tensor.datatype.empty()) reader.Fail("datatype", "is empty: give it one", "missing_parameter");
  std::optional<int64_t> binary_size;
  const bj::value* const parameters = reader.Take("parameters");
  if (parameters != nullptr && !parameters->is_object()) reader.Fail("parameters", "must be an object");
  if (parameters != nullptr && parameters->is_object()) {
    RequestReader nested(parameters->get_object(), path + ".parameters.");
    nested.Read("binary_data_size", &binary_size);
    reader.Fail(nested.Finish());
  }
  const bj::value* const data = reader.Take("data");
  BATUCADA_RETURN_IF_ERROR(reader.Finish());
  if ((data != nullptr) == binary_size.has_value()) {
    return InvalidParameter(
        path, data != nullptr
                  ? fmt::format("{} has its elements twice: give data or binary_data_size", path)
                  : fmt::format("{} needs its elements: data, or binary_data_size and bytes after the JSON", path));
  }
  if (data != nullptr) {
    if (!data->is_array() || !Flatten(data->get_array(), kMaxTensorDepth, &tensor.elements)) {
      return InvalidParameter(
          path + ".data", fmt::format("{}.data must be a list, of at most {} dimensions", path, kMaxTensorDepth + 1));
    }
    BATUCADA_RETURN_IF_ERROR(CheckElements(tensor));
  }
  body.request.inputs.push_back(std::move(tensor));
  body.binary_sizes.push_back(binary_size);
  return absl::OkStatus();
}

absl::Status ReadOutput(const bj::object& object, const std::string& path, InferBody& body) {
  RequestReader reader(object, path + ".");
  std::string name;
  reader.Read("name", &name);
  const bj::value* const parameters = reader.Take("parameters");
  if (parameters != nullptr && !parameters->is_object()) reader.Fail("parameters", "must be an object");
  if (parameters != nullptr && parameters->is_object()) {
    RequestReader nested(parameters->get_object(), path + ".parameters.");
    bool binary = body.output_form == OutputForm::kBinary;
    nested.Read("binary_data", &binary);
    body.output_form = binary ? OutputForm::kBinary : OutputForm::kJson;
    reader.Fail(nested.Finish());
  }
  BATUCADA_RETURN_IF_ERROR(reader.Finish());
  return CheckOutputName(name);
}

using ReadOne = absl::Status (*)(const bj::object& object, const std::string& path, InferBody& body);

void ReadEach(RequestReader& reader, InferBody& body, std::string_view name, ReadOne read) {
  const bj::value* const value = reader.Take(name);
  if (value == nullptr) return;
  if (!value->is_array()) return reader.Fail(name, fmt::format("must be a list, not {}", DescribeJson(*value)));
  for (size_t i = 0; i < value->get_array().size() && reader.ok(); ++i) {
    const bj::value& one = value->get_array()[i];
    const std::string path = fmt::format("{}[{}]", name, i);
    if (!one.is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(one)));
    reader.Fail(read(one.get_object(), path, body));
  }
}

bj::object InputSchema() {
  bj::object schema = ObjectSchema(
      "", {{"name", StringSchema("text_input, stream, exclude_input_in_output, sampling_parameters, or a parameter.")},
           {"datatype", StringSchema("BYTES, BOOL, INT32, FP32, …")},
           {"shape", ArraySchema("", IntegerSchema("", {.min = 0}))},
           {"data", ArraySchema("The elements, row-major.", {})},
           {"parameters",
            ObjectSchema("", {{"binary_data_size",
                               IntegerSchema("The elements are so many bytes after the JSON.", {.min = 0})}})}});
  schema["required"] = bj::array{"name", "datatype", "shape"};
  return schema;
}

bj::object OutputSchema() {
  return ObjectSchema("",
                      {{"name", StringSchema("text_output")},
                       {"parameters", ObjectSchema("", {{"binary_data", BooleanSchema("Bytes after the JSON.")}})}});
}

void WriteHead(const InferAnswer& answer, JsonWriter& json) {
  if (!answer.id().empty()) json.Key("id").String(answer.id());
  json.Key("model_name").String(answer.model()).Key("model_version").String(kInferModelVersion);
}

}  // namespace

const ParameterTable<InferBody>& InferParameters() {
  static const ParameterTable<InferBody> table = [] {
    using Presence = ParameterTable<InferBody>::Presence;
    ParameterTable<InferBody> made;
    made.AddRead("id", StringSchema("Comes back with the answer."),
                 [](RequestReader& reader, InferBody& body) { reader.Read("id", &body.request.id); });
    made.AddRead("parameters", ObjectSchema("Parameters of a completion, and binary_data_output.", {}), ReadParameters);
    made.AddRead(
        "inputs", ArraySchema("Tensors: text_input, and others.", InputSchema()),
        [](RequestReader& reader, InferBody& body) { ReadEach(reader, body, "inputs", ReadInput); },
        Presence::kRequired);
    made.AddRead("outputs", ArraySchema("Which outputs are wanted, and how.", OutputSchema()),
                 [](RequestReader& reader, InferBody& body) { ReadEach(reader, body, "outputs", ReadOutput); });
    return made;
  }();
  return table;
}

absl::StatusOr<InferBody> ParseInfer(std::string_view body, std::optional<size_t> json_bytes) {
  std::string_view binary = body.substr(body.size());
  if (json_bytes) {
    if (*json_bytes > body.size()) {
      return InvalidParameter(
          "inference-header-content-length",
          fmt::format("inference-header-content-length says {} bytes, but the body has {}", *json_bytes, body.size()));
    }
    binary = body.substr(*json_bytes);
    body = body.substr(0, *json_bytes);
  }
  BATUCADA_ASSIGN_OR_RETURN(InferBody parsed, InferParameters().Parse(body));
  for (size_t i = 0; i < parsed.request.inputs.size(); ++i) {
    if (!parsed.binary_sizes[i]) continue;
    InferTensor& tensor = parsed.request.inputs[i];
    const int64_t size = *parsed.binary_sizes[i];
    if (size < 0 || static_cast<uint64_t>(size) > binary.size()) {
      return InvalidParameter(tensor.name,
                              fmt::format("the tensor {} has a binary_data_size of {}, but {} bytes are left "
                                          "after the JSON",
                                          tensor.name, size, binary.size()));
    }
    BATUCADA_RETURN_IF_ERROR(DecodeElements(binary.substr(0, static_cast<size_t>(size)), &tensor));
    binary.remove_prefix(static_cast<size_t>(size));
  }
  if (!binary.empty()) {
    return InvalidParameter("inputs", fmt::format("{} bytes are left after the last binary tensor", binary.size()));
  }
  return parsed;
}

absl::StatusOr<InferRequest> ParseGenerate(std::string_view body, InferCall call) {
  BATUCADA_ASSIGN_OR_RETURN(const bj::object object, ParseBody(body));
  InferRequest request;
  for (const auto& [key, value] : object) {
    if (value.is_null()) continue;
    if (key == "parameters") {
      if (!value.is_object()) {
        return InvalidParameter("parameters", fmt::format("parameters must be an object, not {}", DescribeJson(value)),
                                "invalid_type");
      }
      for (const auto& [name, parameter] : value.get_object()) {
        BATUCADA_RETURN_IF_ERROR(AddOnce(name, parameter, &request.parameters));
      }
    } else if (key == "id") {
      if (!value.is_string()) return InvalidParameter("id", "id must be a string", "invalid_type");
      request.id.assign(value.get_string().data(), value.get_string().size());
    } else {
      BATUCADA_RETURN_IF_ERROR(AddOnce(key, value, &request.parameters));
    }
  }
  if (call == InferCall::kStream && !request.parameters.contains("stream")) request.parameters["stream"] = true;
  return request;
}

namespace {

// What Typing::kLenient takes for a boolean.
bj::object FlagSchema(std::string_view description) {
  return Nullable(AnyOfSchema(description, {BooleanSchema(""), {{"enum", {"true", "True", "false", "False"}}}}));
}

}  // namespace

bj::object GenerateSchema() {
  bj::object schema = ObjectSchema(
      "", {{"text_input", StringSchema("The prompt.")},
           {"id", Nullable(StringSchema("Comes back with the answer."))},
           {"stream", FlagSchema("A piece of text an event; only for generate_stream, where it is the default.")},
           {"exclude_input_in_output",
            FlagSchema("The text begins after the prompt. Default: true for a stream, else false.")},
           {"parameters",
            Nullable(ObjectSchema("Parameters of a completion; they may also stand beside text_input.", {}))}});
  schema["required"] = bj::array{"text_input"};
  return schema;
}

std::string WriteInferResponse(const InferAnswer& answer, const InferResponse& response, OutputForm form,
                               std::string* binary) {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject();
  WriteHead(answer, json);
  json.Key("outputs").BeginArray().BeginObject().Key("name").String("text_output").Key("datatype").String("BYTES");
  json.Key("shape").BeginArray().Int(static_cast<int64_t>(response.texts.size())).EndArray();
  if (form == OutputForm::kBinary) {
    *binary = EncodeBytesElements(response.texts);
    json.Key("parameters").BeginObject().Key("binary_data_size").Int(static_cast<int64_t>(binary->size())).EndObject();
  } else {
    json.Key("data").BeginArray();
    for (const std::string& one : response.texts) json.String(one);
    json.EndArray();
  }
  json.EndObject().EndArray().EndObject();
  return text;
}

std::string WriteGenerateResponse(const InferAnswer& answer, const InferResponse& response) {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject();
  WriteHead(answer, json);
  json.Key("text_output");
  if (response.texts.size() == 1) {
    json.String(response.texts.front());
  } else {
    json.BeginArray();
    for (const std::string& one : response.texts) json.String(one);
    json.EndArray();
  }
  json.EndObject();
  return text;
}

}  // namespace batucada
