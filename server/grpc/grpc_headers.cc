#include "server/grpc/grpc_headers.h"

#include <algorithm>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "server/grpc/message.h"

namespace batucada {
namespace {

constexpr size_t kMaxMessageBytes = 1024;  // of a status; clients take 8 KiB of headers, and a byte may become three

// As gRPC wants it: printable ASCII as it is, except %, and anything else as %XX.
std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded += c;
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string_view CutUtf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

std::string_view HeaderOf(const Http2Headers& headers, std::string_view name) {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

int HttpStatusOfRequest(const Http2Headers& headers) {
  constexpr std::string_view kType = "application/grpc";
  const std::string_view type = HeaderOf(headers, "content-type");
  // application/grpc, application/grpc+proto, application/grpc;charset=…
  const std::string_view rest = type.substr(std::min(type.size(), kType.size()));
  const bool protobuf = rest.empty() || rest == "+proto" || rest.starts_with(';') || rest.starts_with("+proto;");
  if (!type.starts_with(kType) || !protobuf) return 415;
  return HeaderOf(headers, ":method") == "POST" ? 200 : 405;
}

absl::StatusOr<absl::Duration> ParseTimeout(std::string_view text) {
  constexpr size_t kMaxDigits = 8;
  if (text.empty()) return absl::InfiniteDuration();
  int64_t value = 0;
  const std::string digits(text.substr(0, text.size() - 1));
  const bool sound = !digits.empty() && digits.size() <= kMaxDigits &&
                     std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                     absl::SimpleAtoi(digits, &value);
  if (sound) {
    switch (text.back()) {
      case 'H': return absl::Hours(value);
      case 'M': return absl::Minutes(value);
      case 'S': return absl::Seconds(value);
      case 'm': return absl::Milliseconds(value);
      case 'u': return absl::Microseconds(value);
      case 'n': return absl::Nanoseconds(value);
      default: break;
    }
  }
  return absl::InvalidArgumentError("grpc-timeout must be up to 8 digits and one of H, M, S, m, u and n");
}

Http2Headers AnswerHeaders(std::string_view request_id) {
  return {{":status", "200"},
          {"content-type", "application/grpc"},
          {"grpc-accept-encoding", std::string(kAcceptedEncodings)},
          {"x-request-id", std::string(request_id)}};
}

Http2Headers StatusTrailers(const absl::Status& status) {
  Http2Headers trailers = {{"grpc-status", std::to_string(static_cast<int>(status.code()))}};
  if (status.ok()) return trailers;
  const absl::string_view message = status.message();
  trailers.emplace_back("grpc-message", PercentEncode(CutUtf8({message.data(), message.size()}, kMaxMessageBytes)));
  return trailers;
}

}  // namespace batucada
