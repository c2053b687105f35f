#include "server/http/body_coding.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/escaping.h"
#include "server/http/content_coding.h"

namespace batucada {
namespace {

constexpr std::string_view kHeader = "content-encoding";

// Several headers of one name are one list.
std::string CodingOf(const HttpRequest& request) {
  std::string value;
  for (const auto& [name, part] : request.headers) {
    if (name != kHeader) continue;
    if (!value.empty()) value += ", ";
    value += part;
  }
  return value;
}

}  // namespace

std::optional<HttpResponse> RefuseCoding(const HttpRequest& request) {
  const std::string coding = CodingOf(request);
  if (ReadContentCoding(coding)) return std::nullopt;
  constexpr size_t kMostShown = 80;
  HttpResponse response = ErrorResponse(
      415,
      fmt::format("the Content-Encoding '{}' is not decoded here: send the body as it is, or in one of {}",
                  absl::CHexEscape(coding.substr(0, kMostShown)), kContentCodings),
      "content_encoding_not_supported", request.error_form);
  response.headers.emplace_back("accept-encoding", kContentCodings);
  return response;
}

bool HasCodedBody(const HttpRequest& request) {
  return !request.body.empty() && ReadContentCoding(CodingOf(request)) != ContentCoding::kIdentity;
}

std::optional<HttpResponse> DecodeBody(HttpRequest* request, size_t max_bytes) {
  const std::optional<ContentCoding> coding = ReadContentCoding(CodingOf(*request));
  if (!coding) return RefuseCoding(*request);
  if (*coding == ContentCoding::kIdentity || request->body.empty()) return std::nullopt;
  const auto encoded = static_cast<int64_t>(request->body.size());
  const auto take_room = [&](size_t bytes) { return request->memory.Resize(encoded + static_cast<int64_t>(bytes)); };
  absl::StatusOr<std::string> body = Decode(*coding, request->body, max_bytes, take_room);
  if (!body.ok()) {
    const ErrorForm form = request->error_form;
    const std::string message(body.status().message());
    if (absl::IsOutOfRange(body.status())) return ErrorResponse(413, message, "body_too_large", form);
    if (absl::IsInvalidArgument(body.status())) return ErrorResponse(400, message, "malformed_body", form);
    return ErrorResponse(body.status(), form);
  }
  request->body = *std::move(body);
  (void)request->memory.Resize(static_cast<int64_t>(request->body.capacity()));  // less never fails
  std::erase_if(request->headers, [](const auto& header) { return header.first == kHeader; });
  return std::nullopt;
}

}  // namespace batucada
