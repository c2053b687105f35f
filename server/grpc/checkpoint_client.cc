#include "server/grpc/checkpoint_client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include <curl/curl.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status.h"
#include "batucada/v1/batucada.pb.h"
#include "server/grpc/message.h"

namespace batucada {
namespace {

constexpr long kConnectSeconds = 10, kSilentSeconds = 60;
constexpr size_t kPutBytes = 256 << 10;
constexpr int64_t kMostMessageBytes = 8 << 20;
constexpr std::string_view kService = "/batucada.v1.Inference/";

// A server's own words, but nothing that would tell a terminal more than its text.
std::string Readable(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (byte < 0x20 || byte == 0x7f) text[i] = ' ';
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) text[i] = text[i + 1] = ' ';  // C1, as UTF-8
  }
  return text;
}

std::string Unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char hex[3] = {i + 2 < text.size() ? text[i + 1] : '\0', i + 2 < text.size() ? text[i + 2] : '\0', '\0'};
    char* end = nullptr;
    const long code = text[i] == '%' ? std::strtol(hex, &end, 16) : 0;
    const bool escape = end == hex + 2;
    plain += escape ? static_cast<char>(code) : text[i];
    if (escape) i += 2;
  }
  return plain;
}

// One call: messages that are made as the connection takes them, and answers that are told as they come.
class GrpcCall {
 public:
  using Next = std::function<std::optional<std::string>()>;            // a framed message; none: that was the last
  using Take = std::function<absl::Status(std::string_view message)>;  // of the wire, without its frame

  GrpcCall(Next next, Take take) : next_(std::move(next)), take_(std::move(take)) {}
  // Of one message, which may be sent again, or of none where it is empty: the request then ends with its head.
  GrpcCall(std::string message, Take take)
      : take_(std::move(take)), sending_(std::move(message)), size_(static_cast<curl_off_t>(sending_.size())) {}

  // A server may answer before it has seen the request's end, and then resets the stream: libcurl 7.88 loses an answer
  // that it reads in one go with the reset. A request of known size has its end in its last frame, so that this is
  // seldom, and it is asked again.
  absl::Status Run(const CheckpointServer& server, std::string_view method) {
    constexpr int kMostTries = 8;
    bool lost = false;
    absl::Status status = Perform(server, method, &lost);
    for (int i = 1; lost && !next_ && i < kMostTries; ++i) {
      sent_ = 0;
      status = Perform(server, method, &lost);
    }
    return status;
  }

 private:
  absl::Status Perform(const CheckpointServer& server, std::string_view method, bool* lost) {
    static const bool initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> owned(curl_easy_init(), curl_easy_cleanup);
    CURL* const handle = owned.get();
    if (!initialised || handle == nullptr) return absl::InternalError("libcurl could not be initialised");
    const bool secure = server.url.starts_with("https://");
    const std::string url = server.url + std::string(kService) + std::string(method);
    curl_slist* headers = nullptr;
    for (const char* header : {"Content-Type: application/grpc", "TE: trailers", "Expect:"}) {
      headers = curl_slist_append(headers, header);
    }
    if (!server.key.empty()) headers = curl_slist_append(headers, ("Authorization: Bearer " + server.key).c_str());
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owned_headers(headers, curl_slist_free_all);
    std::array<char, CURL_ERROR_SIZE> problem{};
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(
        handle, CURLOPT_HTTP_VERSION,
        secure ? static_cast<long>(CURL_HTTP_VERSION_2TLS) : static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    if (size_ != 0) {
      curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, size_);
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, "POST");
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "batucada");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, problem.data());
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, &GrpcCall::OnRead);
    curl_easy_setopt(handle, CURLOPT_READDATA, this);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &GrpcCall::OnWrite);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &GrpcCall::OnHeader);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
    if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0') {
      curl_easy_setopt(handle, CURLOPT_CAINFO, file);
    }
    const CURLcode code = curl_easy_perform(handle);
    *lost = !told_ && !status_ && (code == CURLE_GOT_NOTHING || code == CURLE_HTTP2_STREAM);
    if (!taken_.ok()) return taken_;
    // A server that refuses may do so before it has taken all there is to send. What went well did so to its end.
    if (status_ && (*status_ != 0 || code == CURLE_OK))
      return *status_ == 0 ? absl::OkStatus() : absl::Status(static_cast<absl::StatusCode>(*status_), said_);
    if (code != CURLE_OK) {
      return absl::UnavailableError("no answer from " + server.url + ": " +
                                    (problem[0] != '\0' ? problem.data() : curl_easy_strerror(code)));
    }
    return absl::UnavailableError(server.url + " does not answer as a gRPC server: give the gRPC port");
  }

  static size_t OnRead(char* to, size_t size, size_t count, void* raw) {
    auto& self = *static_cast<GrpcCall*>(raw);
    while (self.sent_ == self.sending_.size()) {
      std::optional<std::string> next = self.next_ ? self.next_() : std::nullopt;
      if (!next) return 0;
      self.sending_ = *std::move(next);
      self.sent_ = 0;
    }
    const size_t bytes = std::min(size * count, self.sending_.size() - self.sent_);
    std::memcpy(to, self.sending_.data() + self.sent_, bytes);
    self.sent_ += bytes;
    return bytes;
  }

  static size_t OnWrite(char* data, size_t size, size_t count, void* raw) {
    auto& self = *static_cast<GrpcCall*>(raw);
    self.told_ = true;
    std::string_view rest(data, size * count);
    while (!rest.empty()) {
      absl::StatusOr<std::optional<WireMessage>> message = self.reader_.Read(&rest);
      self.taken_ = message.ok() ? absl::OkStatus() : message.status();
      if (self.taken_.ok() && message->has_value()) self.taken_ = self.take_((*message)->bytes);
      if (!self.taken_.ok()) return 0;
    }
    return size * count;
  }

  // Trailers come here, too.
  static size_t OnHeader(char* data, size_t size, size_t count, void* raw) {
    auto& self = *static_cast<GrpcCall*>(raw);
    const std::string_view line(data, size * count);
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string name = absl::AsciiStrToLower({line.data(), colon});
    const std::string_view text = line.substr(std::min(colon + 1, line.size()));
    const std::string value(absl::StripAsciiWhitespace({text.data(), text.size()}));
    if (int code = 0; name == "grpc-status" && absl::SimpleAtoi(value, &code) && code >= 0 && code <= 16) {
      self.status_ = code;
    }
    if (name == "grpc-message") self.said_ = Readable(Unescaped(value));
    return size * count;
  }

  const Next next_;  // null: all is in sending_
  const Take take_;
  std::string sending_;
  size_t sent_ = 0;
  curl_off_t size_ = -1;  // not known
  MessageReader reader_{kMostMessageBytes, MessageEncoding::kIdentity};
  bool told_ = false;  // something of the answer
  absl::Status taken_;
  std::optional<int> status_;
  std::string said_;
};

// Whether the key may call the method at all: asked with a request that ends with its head. There is nothing that a
// server could refuse before it has come, and so no reset for libcurl to lose the answer in.
absl::Status CheckKey(const CheckpointServer& server, std::string_view method) {
  GrpcCall call(std::string(), [](std::string_view) { return absl::OkStatus(); });
  const absl::Status status = call.Run(server, method);
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status) ? status : absl::OkStatus();
}

// What a call came to; where there was no answer, whether the key is the reason.
absl::Status RunWithKey(GrpcCall& call, const CheckpointServer& server, std::string_view method) {
  const absl::Status status = call.Run(server, method);
  if (absl::IsUnavailable(status)) BATUCADA_RETURN_IF_ERROR(CheckKey(server, method));
  return status;
}

}  // namespace

absl::Status GetCheckpoint(const CheckpointServer& server, const std::string& session,
                           const std::function<bool(std::string_view)>& take) {
  v1::GetCheckpointRequest request;
  request.set_session(session);
  GrpcCall call(FrameMessage(request), [&take](std::string_view bytes) -> absl::Status {
    v1::CheckpointPart part;
    if (!part.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError("the server's answer is no part of a state");
    }
    return take(part.data()) ? absl::OkStatus() : absl::CancelledError("the file could not be written");
  });
  return RunWithKey(call, server, "GetCheckpoint");
}

absl::StatusOr<PutCheckpointResult> PutCheckpoint(const CheckpointServer& server, const std::string& session,
                                                  std::string_view file) {
  bool first = true;
  PutCheckpointResult result;
  GrpcCall call(
      [&]() -> std::optional<std::string> {
        if (file.empty() && !first) return std::nullopt;
        v1::PutCheckpointRequest part;
        if (std::exchange(first, false)) part.set_session(session);
        const std::string_view data = file.substr(0, kPutBytes);
        part.set_data(data.data(), data.size());
        file.remove_prefix(data.size());
        return FrameMessage(part);
      },
      [&result](std::string_view bytes) -> absl::Status {
        v1::PutCheckpointResponse response;
        if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          return absl::DataLossError("the server's answer is not one of PutCheckpoint");
        }
        result = {.session = Readable(response.session()), .tokens = response.tokens()};
        return absl::OkStatus();
      });
  BATUCADA_RETURN_IF_ERROR(RunWithKey(call, server, "PutCheckpoint"));
  return result;
}

}  // namespace batucada
