#include "server/common/error.h"

#include <optional>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "base/strings.h"

namespace batucada {
namespace {

constexpr char kParameterUrl[] = "batucada/parameter";
constexpr char kCodeUrl[] = "batucada/code";

std::string Payload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  return payload ? std::string(*payload) : std::string();
}

std::string_view TypeOf(int http_status) {
  switch (http_status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 409: return "cancelled_error";
    case 429: return "rate_limit_error";
    case 503: return "service_unavailable_error";
    case 504: return "timeout_error";
    default: return http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

absl::Status InvalidParameter(std::string_view param, std::string_view message, std::string_view code) {
  return WithParameter(absl::InvalidArgumentError(absl::string_view(message.data(), message.size())), param, code);
}

absl::Status WithParameter(absl::Status status, std::string_view param, std::string_view code) {
  if (!param.empty()) status.SetPayload(kParameterUrl, absl::Cord(absl::string_view(param.data(), param.size())));
  if (!code.empty()) status.SetPayload(kCodeUrl, absl::Cord(absl::string_view(code.data(), code.size())));
  return status;
}

absl::Status RenameParameter(const absl::Status& status, std::string_view from, std::string_view to) {
  const auto is_of = [from](std::string_view text, std::string_view ends) {
    return text.starts_with(from) && (text.size() == from.size() || ends.find(text[from.size()]) != ends.npos);
  };
  const std::string parameter = ErrorParameter(status);
  if (!is_of(parameter, "[.")) return status;
  std::string message(status.message());
  if (is_of(message, "[.: ")) message.replace(0, from.size(), to);
  absl::Status renamed(status.code(), message);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { renamed.SetPayload(url, payload); });
  return WithParameter(std::move(renamed), Concat(to, parameter.substr(from.size())), "");
}

absl::Status OutOfMemory() {
  return WithParameter(absl::ResourceExhaustedError("the server ran out of memory over this request: try again later, "
                                                    "or ask for less"),
                       "", "memory_full");
}

std::string ErrorParameter(const absl::Status& status) { return Payload(status, kParameterUrl); }
std::string ErrorCode(const absl::Status& status) { return Payload(status, kCodeUrl); }

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition: return 400;
    case absl::StatusCode::kUnauthenticated: return 401;
    case absl::StatusCode::kPermissionDenied: return 403;
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kCancelled: return 409;
    case absl::StatusCode::kResourceExhausted: return ErrorCode(status) == "request_too_large" ? 413 : 429;
    case absl::StatusCode::kUnavailable: return 503;
    case absl::StatusCode::kDeadlineExceeded: return 504;
    default: return 500;
  }
}

std::string ErrorJson(const absl::Status& status) {
  return ErrorJson(HttpStatusOf(status), std::string(status.message()), ErrorParameter(status), ErrorCode(status));
}

std::string ErrorJson(int http_status, std::string_view message, std::string_view param, std::string_view code) {
  const auto string_or_null = [](std::string_view text) {
    return text.empty() ? boost::json::value(nullptr)
                        : boost::json::value(boost::json::string(text.data(), text.size()));
  };
  const std::string_view type = TypeOf(http_status);
  boost::json::object error;
  error["message"] = boost::json::string(message.data(), message.size());
  error["type"] = boost::json::string(type.data(), type.size());
  error["param"] = string_or_null(param);
  error["code"] = string_or_null(code);
  boost::json::object root;
  root["error"] = std::move(error);
  return boost::json::serialize(root);
}

}  // namespace batucada
