#include "server/http/request_head.h"
#include "server/common/request_id.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
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

namespace {

constexpr size_t kUsualBytes = 1024;  // of a head and what goes with it

// A number's digits, to be read at once.
class Decimal {
 public:
  explicit Decimal(uint64_t number)
      : end_(std::to_chars(digits_.data(), digits_.data() + digits_.size(), number).ptr) {}
  operator std::string_view() const { return {digits_.data(), static_cast<size_t>(end_ - digits_.data())}; }

 private:
  std::array<char, 20> digits_;
  const char* end_;
};

}  // namespace

std::string RequestIdOf(const http::request_header<>& head) {
  const auto value = head["x-request-id"];
  const std::string_view id(value.data(), value.size());
  return IsSoundRequestId(id) ? std::string(id) : NewRequestId();
}

absl::Status ReadHead(const http::request_header<>& head, HttpRequest* request) {
  request->method = std::string_view(head.method_string());
  request->headers.reserve(static_cast<size_t>(std::distance(head.begin(), head.end())));
  for (const auto& field : head) {
    const auto name = field.name_string();
    const auto value = field.value();
    request->headers.emplace_back(absl::AsciiStrToLower(absl::string_view(name.data(), name.size())),
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
    request->path = target;
    return absl::OkStatus();
  }
  const size_t question = std::min(target.find('?'), target.size());
  // Clients put addresses together with one slash too many. One that is escaped is data.
  std::string_view path = target.substr(0, question);
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  // A path may be told in an answer, and answers are UTF-8.
  if (!target.starts_with('/') || !DecodePath(path, &request->path) || FindInvalidUtf8(request->path)) {
    return absl::InvalidArgumentError("the request target is not a well-formed path");
  }
  if (question < target.size()) request->query = std::string(target.substr(question + 1));
  request->trace = ReadTraceparent(request->Header("traceparent"));
  return absl::OkStatus();
}

std::string ResponseHead(const HttpResponse& response, std::string_view request_id, Framing framing, bool keep_alive) {
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  const auto add = [](std::string* out, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) out->append(part);
  };
  std::string head;
  // A stream waits with it for its first text; everything else goes with it at once.
  head.reserve(framing == Framing::kLength ? kUsualBytes : kUsualBytes / 4);
  add(&head, {"HTTP/1.1 ", Decimal(response.status), " ", {reason.data(), reason.size()}, "\r\n"});
  if (!response.content_type.empty()) add(&head, {"content-type: ", response.content_type, "\r\n"});
  if (framing == Framing::kLength) add(&head, {"content-length: ", Decimal(response.body.size()), "\r\n"});
  if (framing == Framing::kChunked) head += "transfer-encoding: chunked\r\n";
  const bool named = std::any_of(response.headers.begin(), response.headers.end(),
                                 [](const auto& header) { return header.first == "x-request-id"; });
  if (!request_id.empty() && !named) add(&head, {"x-request-id: ", request_id, "\r\n"});
  for (const auto& [name, value] : response.headers) add(&head, {name, ": ", value, "\r\n"});
  head += keep_alive ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n";
  return head;
}

void AppendChunk(std::string_view data, std::string* out) {
  if (data.empty()) return;
  std::array<char, 16> size;
  const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16).ptr;
  constexpr std::string_view kEnd = "\r\n";
  out->reserve(out->size() + size.size() + kEnd.size() + data.size() + kEnd.size());
  out->append(size.data(), end).append(kEnd).append(data).append(kEnd);
}

}  // namespace batucada
