#include "server/responses/response_object.h"

#include <fmt/format.h>

#include "base/nested_json.h"
#include "base/write_json.h"
#include "server/common/error.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr const char* kServerError = "server_error";  // the one of OpenAI's codes that a fault of the server has

void WriteId(JsonWriter& json, std::string_view id) { id.empty() ? json.Null() : json.String(id); }

void WriteUsage(const RequestUsage& usage, int64_t reasoning_tokens, JsonWriter& json) {
  json.BeginObject().Key("input_tokens").Int(usage.prompt_tokens);
  json.Key("input_tokens_details").BeginObject().Key("cached_tokens").Int(usage.cached_tokens);
  json.Key("cache_write_tokens").Int(usage.cache_write_tokens).EndObject();
  json.Key("output_tokens").Int(usage.generated_tokens);
  json.Key("output_tokens_details").BeginObject().Key("reasoning_tokens").Int(reasoning_tokens).EndObject();
  json.Key("total_tokens").Int(usage.prompt_tokens + usage.generated_tokens).EndObject();
}

void WriteError(std::string_view code, std::string_view message, JsonWriter& json) {
  json.BeginObject().Key("code").String(code).Key("message").String(message).EndObject();
}

std::string_view MessageOf(const absl::Status& status) { return {status.message().data(), status.message().size()}; }

}  // namespace

std::string_view ResponseStatusName(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::kInProgress: return "in_progress";
    case ResponseStatus::kCompleted: return "completed";
    case ResponseStatus::kIncomplete: return "incomplete";
    case ResponseStatus::kCancelled: return "cancelled";
    case ResponseStatus::kFailed: return "failed";
  }
  return "failed";
}

void ResponseObject::WriteMembers(JsonWriter& json) const {
  json.Key("id").String(id).Key("object").String("response").Key("created_at").Int(created);
  json.Key("status").String(ResponseStatusName(status)).Key("background").Bool(background);
  json.Key("completed_at");
  completed > 0 && status == ResponseStatus::kCompleted ? json.Int(completed) : json.Null();
  json.Key("error");
  failure.ok() ? void(json.Null()) : WriteError(kServerError, MessageOf(failure), json);
  json.Key("incomplete_details");
  if (status == ResponseStatus::kIncomplete) {
    json.BeginObject().Key("reason").String("max_output_tokens").EndObject();
  } else {
    json.Null();
  }
  json.Key("model").String(model).Key("max_output_tokens");
  max_output_tokens ? json.Int(*max_output_tokens) : json.Null();
  json.Key("temperature").Raw(fmt::format("{}", temperature)).Key("top_p").Raw(fmt::format("{}", top_p));
  json.Key("previous_response_id");
  WriteId(json, previous_response_id);
  json.Key("conversation");
  conversation_id.empty() ? json.Null() : json.BeginObject().Key("id").String(conversation_id).EndObject();
  json.Key("service_tier").String("default");
  for (const auto& [name, value] : told) {
    json.Key({name.data(), name.size()}).Raw(WriteJson(value));
  }
  json.Key("store").Bool(store && store_failure.ok());
  if (!store_failure.ok()) {
    const std::string code = ErrorCode(store_failure);
    json.Key("store_error");
    WriteError(code.empty() ? kServerError : code, MessageOf(store_failure), json);
  }
  json.Key("usage");
  usage ? WriteUsage(*usage, reasoning_tokens, json) : void(json.Null());
}

std::string ResponseObject::Json(std::string_view output) const {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject();
  WriteMembers(json);
  if (!output.empty()) json.Key("output").Raw(output);
  json.EndObject();
  return text;
}

std::string WithOutput(std::string json, std::string_view output) {
  json.pop_back();
  json.append(R"(,"output":)").append(output).append("}");
  return json;
}

bool CanBeCancelled(const std::string& json) {
  const absl::StatusOr<bj::value> value = ParseKeptJson(json, "a response");
  if (!value.ok() || !value->is_object()) return false;
  const bj::value* background = value->get_object().if_contains("background");
  const bj::value* status = value->get_object().if_contains("status");
  return (background != nullptr && *background == true) || (status != nullptr && *status == "cancelled");
}

std::string WithStatus(const std::string& json, ResponseStatus status, const std::string& message) {
  absl::StatusOr<bj::value> value = ParseKeptJson(json, "a response");
  if (!value.ok() || !value->is_object()) return json;
  const std::string_view name = ResponseStatusName(status);
  value->get_object()["status"] = bj::string(name.data(), name.size());
  if (!message.empty()) value->get_object()["error"] = {{"code", kServerError}, {"message", bj::string(message)}};
  return WriteJson(*value);
}

}  // namespace batucada
