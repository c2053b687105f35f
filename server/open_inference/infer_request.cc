#include "server/open_inference/infer_request.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "absl/container/flat_hash_set.h"
#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/common/shortest_double.h"
#include "server/generate/check_range.h"
#include "server/generate/translate.h"
#include "server/json/request_reader.h"
#include "server/open_inference/backend_names.h"
#include "server/openai/completion_request.h"
#include "text/utf8.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr std::string_view kStream = "stream", kExcludeInput = "exclude_input_in_output", kTimeout = "timeout",
                           kEmptyFinal = "triton_enable_empty_final_response";

static_assert(std::endian::native == std::endian::little, "tensors are little endian on the wire");

absl::Status BadTensor(const InferTensor& tensor, std::string_view problem) {
  return InvalidParameter(tensor.name, fmt::format("the tensor {} {}", tensor.name, problem), "invalid_value");
}

absl::Status NoUse(const InferTensor& tensor) {
  return BadTensor(tensor,
                   fmt::format("has the datatype {}, which this model has no use for", Printable(tensor.datatype)));
}

// Elements of `Wire`, converted to what JSON has for them.
template <typename Wire, typename Json>
void DecodeNumbers(std::string_view bytes, bj::array* out) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(Wire)) {
    Wire value;
    std::memcpy(&value, bytes.data() + at, sizeof(Wire));
    if constexpr (std::is_same_v<Json, float>) {
      out->emplace_back(ShortestDouble(value));
    } else {
      out->emplace_back(static_cast<Json>(value));
    }
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
      {"UINT64", {8, DecodeNumbers<uint64_t, uint64_t>}}, {"FP32", {4, DecodeNumbers<float, float>}},
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
  const std::optional<bool> boolean = AsBoolean(value, Typing::kLenient);
  if (!boolean) return BadTensor(tensor, fmt::format("is {}; it must be BOOL (true or false)", tensor.datatype));
  return *boolean;
}

// What the tensors and parameters of a request say is put together in one object, `given`, under the names they have.
absl::Status ReadTensor(const InferTensor& tensor, bj::object* given);

bool IsModelInput(std::string_view name) {
  return std::any_of(std::begin(kInferInputs), std::end(kInferInputs),
                     [&](const InferTensorMetadata& input) { return name == input.name; });
}

// A parameter is a tensor of one element, or a list, which none of the model's own inputs is.
absl::Status ReadParameter(std::string_view name, const bj::value& value, bj::object* given) {
  if (value.is_null() || (value.is_array() && !IsModelInput(name))) return AddOnce(name, value, given);
  return ReadTensor({.name = std::string(name), .datatype = DescribeJson(value), .shape = {}, .elements = {value}},
                    given);
}

// {"temperature": 0.1, …} as text
absl::Status ReadSamplingParameters(const InferTensor& tensor, bj::object* given) {
  BATUCADA_ASSIGN_OR_RETURN(const bj::value text, Single(tensor));
  if (!text.is_string()) return BadTensor(tensor, "must be BYTES (text)");
  const absl::StatusOr<bj::value> parsed =
      ParseJson({text.get_string().data(), text.get_string().size()}, "sampling_parameters");
  if (!parsed.ok() || !parsed->is_object()) {
    return BadTensor(tensor, fmt::format("must hold a JSON object{}{}", parsed.ok() ? "" : ": ",
                                         std::string(parsed.status().message())));
  }
  for (const auto& [name, value] : parsed->get_object()) {
    if (name == tensor.name) return BadTensor(tensor, "holds itself");
    BATUCADA_RETURN_IF_ERROR(ReadParameter(name, value, given));
  }
  return absl::OkStatus();
}

absl::Status ReadTensor(const InferTensor& tensor, bj::object* given) {
  for (const bj::value& element : tensor.elements) {
    const bj::string* const text = element.if_string();
    const std::optional<size_t> bad = text == nullptr ? std::nullopt : FindInvalidUtf8({text->data(), text->size()});
    if (bad) return BadTensor(tensor, fmt::format("is not UTF-8 at its byte {}", *bad));
  }
  if (tensor.name == "text_input") {
    BATUCADA_ASSIGN_OR_RETURN(const bj::value text, Single(tensor));
    return text.is_string() ? AddOnce(tensor.name, text, given) : BadTensor(tensor, "must be BYTES (text)");
  }
  if (tensor.name == kStream || tensor.name == kExcludeInput || tensor.name == kEmptyFinal) {
    BATUCADA_ASSIGN_OR_RETURN(const bool flag, SingleBool(tensor));
    return AddOnce(tensor.name, flag, given);
  }
  if (tensor.name == "sampling_parameters") return ReadSamplingParameters(tensor, given);
  // Any other name is a parameter's: a list if there are more elements than one; one is a list too where need be.
  return AddOnce(tensor.name, tensor.elements.size() == 1 ? tensor.elements.front() : bj::value(tensor.elements),
                 given);
}

// A flag that says how to answer, and is no parameter of a completion.
std::optional<bool> TakeFlag(std::string_view name, bj::object* given) {
  const auto found = given->find(bj::string_view(name.data(), name.size()));
  if (found == given->end()) return std::nullopt;
  const bool flag = found->value().get_bool();
  given->erase(found);
  return flag;
}

// In microseconds, as Triton's clients send it; 0: none.
absl::Status ReadTimeout(const bj::value& value, absl::Duration* timeout) {
  const std::optional<int64_t> microseconds = AsInteger(value, Typing::kLenient);
  if (!microseconds || *microseconds < 0) {
    constexpr size_t kMostShown = 60;
    const bj::string* const text = value.if_string();
    const std::string given = text != nullptr && text->size() <= kMostShown
                                  ? fmt::format("\"{}\"", Printable({text->data(), text->size()}))
                                  : DescribeJson(value);
    return InvalidParameter("timeout", fmt::format("timeout must be a whole number of microseconds, 0 or more, not {}: "
                                                   "a second is 1000000",
                                                   given));
  }
  if (*microseconds > 0) *timeout = absl::Microseconds(*microseconds);
  return absl::OkStatus();
}

// INT8 to UINT64, in so many bits.
bool IsWithin(const bj::value& integer, std::string_view datatype) {
  const bool is_unsigned = datatype.starts_with('U');
  if (integer.is_uint64() && !std::in_range<int64_t>(integer.get_uint64())) return datatype == "UINT64";
  const std::optional<int64_t> value = AsInteger(integer);
  if (!value) return false;
  int bits = 64;
  const std::string_view digits = datatype.substr(is_unsigned ? 4 : 3);
  std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (is_unsigned) return *value >= 0 && (bits == 64 || *value < int64_t{1} << bits);
  return bits == 64 || (*value >= -(int64_t{1} << (bits - 1)) && *value < int64_t{1} << (bits - 1));
}

// Whether a tensor of that datatype may have such an element.
bool HasDatatype(const bj::value& element, std::string_view datatype) {
  if (datatype == "BYTES") return element.is_string();
  if (datatype == "BOOL") return element.is_bool();
  if (datatype.starts_with("FP") || datatype == "BF16") return element.is_number();
  return IsWithin(element, datatype);
}

}  // namespace

absl::Status CheckInferVersion(std::string_view version) {
  if (version.empty() || version == kInferModelVersion) return absl::OkStatus();
  return absl::NotFoundError(
      fmt::format("the model has the version {} only, not {}", kInferModelVersion, Printable(version)));
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

absl::Status CheckElements(const InferTensor& tensor) {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(tensor));
  if (static_cast<int64_t>(tensor.elements.size()) != count) {
    return BadTensor(tensor, fmt::format("has {} elements where its shape says {}", tensor.elements.size(), count));
  }
  if (tensor.datatype != "BYTES" && tensor.datatype != "FP16" && tensor.datatype != "BF16" &&
      !NumberTypes().contains(tensor.datatype)) {
    return NoUse(tensor);
  }
  for (const bj::value& element : tensor.elements) {
    if (HasDatatype(element, tensor.datatype)) continue;
    return BadTensor(tensor, fmt::format("is said to be {} and has {}", tensor.datatype, DescribeJson(element)));
  }
  return absl::OkStatus();
}

absl::Status CheckOutputName(std::string_view name) {
  if (name == "text_output") return absl::OkStatus();
  if (name.empty()) return InvalidParameter("outputs", "an output has no name; the model has text_output");
  return InvalidParameter("outputs", fmt::format("there is no output {}; the model has text_output", Printable(name)));
}

absl::Status DecodeElements(std::string_view bytes, InferTensor* tensor) {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, CountElements(*tensor));
  if (tensor->datatype == "BYTES") return DecodeStrings(bytes, count, tensor);
  const auto type = NumberTypes().find(tensor->datatype);
  if (type == NumberTypes().end()) return NoUse(*tensor);
  if (bytes.size() != static_cast<size_t>(count) * type->second.bytes) {
    return BadTensor(*tensor, fmt::format("has {} bytes where its shape and datatype say {}", bytes.size(),
                                          static_cast<size_t>(count) * type->second.bytes));
  }
  type->second.decode(bytes, &tensor->elements);
  return absl::OkStatus();
}

absl::Status CheckInferParameters(size_t count) {
  return CheckCount("parameters", count, kMaxInferParameters, "members");
}

absl::Status AddOnce(std::string_view name, const bj::value& value, bj::object* given) {
  if (value.is_null()) return absl::OkStatus();
  BATUCADA_RETURN_IF_ERROR(CheckInferParameters(given->size() + 1));
  const auto [member, fresh] = given->emplace(bj::string_view(name.data(), name.size()), value);
  if (fresh || member->value() == value) return absl::OkStatus();
  // 1 and "1.0" may have come by two ways from the same client.
  const std::optional<double> number = AsNumber(value, Typing::kLenient);
  if (number && number == AsNumber(member->value(), Typing::kLenient)) return absl::OkStatus();
  const std::string printable = Printable(name);
  return InvalidParameter(printable, fmt::format("{} is given twice, with different values", printable));
}

absl::StatusOr<InferPlan> PlanInfer(const InferRequest& request, InferCall call) {
  BATUCADA_RETURN_IF_ERROR(CheckInferVersion(request.version));
  InferPlan plan;
  bj::object given;
  absl::flat_hash_set<std::string_view> tensors;
  for (const auto& [name, value] : request.parameters) {
    BATUCADA_RETURN_IF_ERROR(ReadParameter(name, value, &given));
  }
  for (const InferTensor& tensor : request.inputs) {
    if (!tensors.insert(tensor.name).second) return BadTensor(tensor, "is there twice");
    BATUCADA_RETURN_IF_ERROR(ReadTensor(tensor, &given));
  }
  plan.pieces = TakeFlag(kStream, &given).value_or(false);
  plan.empty_final_response = TakeFlag(kEmptyFinal, &given).value_or(false);
  if (const auto timeout = given.find(bj::string_view(kTimeout.data(), kTimeout.size())); timeout != given.end()) {
    BATUCADA_RETURN_IF_ERROR(ReadTimeout(timeout->value(), &plan.timeout));
    given.erase(timeout);
  }
  const std::optional<bool> exclude_input = TakeFlag(kExcludeInput, &given);
  if (!given.contains("text_input")) {
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
  BATUCADA_RETURN_IF_ERROR(AddOnce("model", bj::value(request.model), &given));
  ParameterNames names;
  BATUCADA_ASSIGN_OR_RETURN(bj::object members, ToCompletionMembers(given, &names));
  members["echo"] = !exclude_input.value_or(plan.pieces);
  absl::StatusOr<CompletionParams> params = CompletionParameters().ReadObject(members, Typing::kLenient);
  if (!params.ok()) return InClientsWords(params.status(), names);
  plan.params = *std::move(params);
  names.prompt = "text_input";
  plan.params.names = std::move(names);
  if (plan.params.best_of) {
    return InvalidParameter("best_of", "best_of is not supported here: leave it out, or use /v1/completions",
                            "unsupported_parameter");
  }
  plan.params.stream = plan.pieces;
  if (plan.pieces && plan.params.n.value_or(1) != 1) {
    return InClientsWords(InvalidParameter("n", "n must be 1 where the answer is streamed", "invalid_value"),
                          plan.params.names);
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
