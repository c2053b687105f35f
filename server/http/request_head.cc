#include "server/http/request_head.h"
#include "server/common/request_id.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <boost/beast/http/status.hpp>

#include "absl/strings/ascii.h"
#include "server/common/trace.h"
#include "server/http/router.h"
#include "text/utf8.h"

namespace batucada {

namespace http = boost::beast::http;

std::string RequestIdOf(const http::request_header<>& head) {
  const auto value = head["x-request-id"];
  const std::string_view id(value.data(), value.size());
  return IsSoundRequestId(id) ? std::string(id) : NewRequestId();
}

absl::StatusOr<HttpRequest> ToHttpRequest(const http::request_header<>& head) {
  HttpRequest request;
  request.method = std::string(head.method_string());
  for (const auto& field : head) {
    const auto name = field.name_string();
    const auto value = field.value();
    request.headers.emplace_back(absl::AsciiStrToLower(absl::string_view(name.data(), name.size())),
                                 std::string(value.data(), value.size()));
  }
  std::string absolute;
  std::string_view target(head.target().data(), head.target().size());
  if (const size_t scheme = target.find("://"); !target.starts_with('/') && scheme != target.npos) {
    // The absolute form that proxies send.
    target = target.substr(std::min(target.find_first_of("/?", scheme + 3), target.size()));
    if (!target.starts_with('/')) {
      absolute = fmt::format("/{}", target);
      target = absolute;
    }
  }
  if (target == "*") {  // of OPTIONS alone, see HeadGuard
    request.path = target;
    return request;
  }
  const size_t question = std::min(target.find('?'), target.size());
  // A path may be told in an answer, and answers are UTF-8.
  if (!target.starts_with('/') || !PercentDecode(target.substr(0, question), &request.path) ||
      FindInvalidUtf8(request.path)) {
    return absl::InvalidArgumentError("the request target is not a well-formed path");
  }
  if (question < target.size()) request.query = std::string(target.substr(question + 1));
  request.trace = ReadTraceparent(request.Header("traceparent"));
  return request;
}

std::string ResponseHead(const HttpResponse& response, std::string_view request_id, Framing framing, bool keep_alive) {
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", response.status,
                 std::string_view(reason.data(), reason.size()));
  if (!response.content_type.empty()) {
    fmt::format_to(std::back_inserter(head), "content-type: {}\r\n", response.content_type);
  }
  if (framing == Framing::kLength)
    fmt::format_to(std::back_inserter(head), "content-length: {}\r\n", response.body.size());
  if (framing == Framing::kChunked) head += "transfer-encoding: chunked\r\n";
  const bool named = std::any_of(response.headers.begin(), response.headers.end(),
                                 [](const auto& header) { return header.first == "x-request-id"; });
  if (!request_id.empty() && !named) fmt::format_to(std::back_inserter(head), "x-request-id: {}\r\n", request_id);
  for (const auto& [name, value] : response.headers)
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  head += keep_alive ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n";
  return head;
}

void AppendChunk(std::string_view data, std::string* out) {
  if (data.empty()) return;
  fmt::format_to(std::back_inserter(*out), "{:x}\r\n", data.size());
  *out += data;
  *out += "\r\n";
}

}  // namespace batucada
