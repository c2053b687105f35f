#include "server/http/http.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/rand.h>

#include "engine/core/status.h"
#include "server/error.h"
#include "server/json_writer.h"

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

std::string OpenInferenceErrorJson(std::string_view message) {
  std::string text;
  JsonWriter(&text).BeginObject().Key("error").String(message).EndObject();
  return text;
}

void AddAdvice(HttpResponse* response) {
  if (response->status == 429 || response->status == 503) AddRetryAfter(response);
  // OpenAI's clients would send a request again that somebody has just cancelled.
  if (response->status == 409) response->headers.emplace_back("x-should-retry", "false");
}

}  // namespace

ErrorForm ErrorFormOf(std::string_view path) {
  return path == "/v2" || path.starts_with("/v2/") ? ErrorForm::kOpenInference : ErrorForm::kOpenAi;
}

HttpResponse ErrorResponse(const absl::Status& status, ErrorForm form) {
  HttpResponse response = {.status = HttpStatusOf(status), .body = ""};
  const absl::string_view message = status.message();
  response.body =
      form == ErrorForm::kOpenAi ? ErrorJson(status) : OpenInferenceErrorJson({message.data(), message.size()});
  AddAdvice(&response);
  return response;
}

HttpResponse ErrorResponse(int http_status, std::string_view message, std::string_view code, ErrorForm form) {
  HttpResponse response = {.status = http_status, .body = ""};
  response.body =
      form == ErrorForm::kOpenAi ? ErrorJson(http_status, message, "", code) : OpenInferenceErrorJson(message);
  AddAdvice(&response);
  return response;
}

void AddRetryAfter(HttpResponse* response) { response->headers.emplace_back("retry-after", "1"); }

bool IsSoundRequestId(std::string_view id) {
  const auto sound = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; };
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), sound);
}

std::string NewRequestId() {
  // Who knows an id may end its request, so that nobody must be able to tell one from those before it.
  std::array<uint64_t, 2> random{};
  BATUCADA_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), sizeof random) == 1);
  return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

}  // namespace batucada
