#include "server/http/http.h"

#include <algorithm>

#include "server/common/error.h"
#include "server/json/json_writer.h"

namespace batucada {

std::string_view HttpRequest::Header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

HttpResponse JsonResponse(std::string body) { return {.body = std::move(body)}; }

HttpResponse TextResponse(std::string body) {
  return {.content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

namespace {

std::string PlainErrorJson(std::string_view message) {
  std::string text;
  JsonWriter(&text).BeginObject().Key("error").String(message).EndObject();
  return text;
}

std::string TgiErrorJson(int status, std::string_view message) {
  std::string text;
  const std::string_view type = status == 429 ? "overloaded" : status < 500 ? "validation" : "generation";
  JsonWriter(&text).BeginObject().Key("error").String(message).Key("error_type").String(type).EndObject();
  return text;
}

std::string AnthropicErrorJson(int status, std::string_view message) {
  const auto type = [status]() -> std::string_view {
    switch (status) {
      case 401: return "authentication_error";
      case 403: return "permission_error";
      case 404: return "not_found_error";
      case 413: return "request_too_large";
      case 429: return "rate_limit_error";
      case 503: return "overloaded_error";
      case 504: return "timeout_error";
      default: return status < 500 ? "invalid_request_error" : "api_error";
    }
  };
  std::string text;
  JsonWriter json(&text);
  json.BeginObject().Key("type").String("error").Key("error").BeginObject();
  json.Key("type").String(type()).Key("message").String(message).EndObject().EndObject();
  return text;
}

int StatusIn(ErrorForm form, int status) { return form == ErrorForm::kTgi && status == 400 ? 422 : status; }

void AddAdvice(HttpResponse* response) {
  if (response->status == 429 || response->status == 503) AddRetryAfter(response);
  // OpenAI's clients would send a request again that somebody has just cancelled.
  if (response->status == 409) response->headers.emplace_back("x-should-retry", "false");
}

}  // namespace

HttpResponse ErrorResponse(const absl::Status& status, ErrorForm form) {
  const int code = HttpStatusOf(status);
  HttpResponse response = {.status = StatusIn(form, code), .body = ""};
  const std::string message(status.message());
  switch (form) {
    case ErrorForm::kOpenAi: response.body = ErrorJson(status); break;
    case ErrorForm::kOpenInference: response.body = PlainErrorJson(message); break;
    case ErrorForm::kTgi: response.body = TgiErrorJson(code, message); break;
    case ErrorForm::kAnthropic: response.body = AnthropicErrorJson(code, message); break;
  }
  AddAdvice(&response);
  return response;
}

HttpResponse ErrorResponse(int http_status, std::string_view message, std::string_view code, ErrorForm form) {
  HttpResponse response = {.status = StatusIn(form, http_status), .body = ""};
  switch (form) {
    case ErrorForm::kOpenAi: response.body = ErrorJson(http_status, message, "", code); break;
    case ErrorForm::kOpenInference: response.body = PlainErrorJson(message); break;
    case ErrorForm::kTgi: response.body = TgiErrorJson(http_status, message); break;
    case ErrorForm::kAnthropic: response.body = AnthropicErrorJson(http_status, message); break;
  }
  AddAdvice(&response);
  return response;
}

void AddRetryAfter(HttpResponse* response) { response->headers.emplace_back("retry-after", "1"); }

}  // namespace batucada
