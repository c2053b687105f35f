#include "hub/http_client.h"

#include <array>
#include <cstdlib>
#include <utility>

#include <curl/curl.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/json.h"
#include "base/strings.h"

namespace batucada {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kSilentSeconds = 30;  // without a byte
constexpr long kMostRedirects = 5;

void InitialiseOnce() {
  static const bool done = [] { return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK; }();
  static_cast<void>(done);
}

// Where the certificates of authorities lie, if not where libcurl was told at its build.
const char* AuthoritiesFile() {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return nullptr;
}

}  // namespace

struct HttpClient::Transfer {
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  HttpAnswer head;
  const Sink* sink = nullptr;
  const std::atomic<bool>* stop = nullptr;
  bool ended_here = false;

  ~Transfer() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(handle);
  }

  // A line of a head. Every answer's first line begins anew: redirects have heads, too.
  void TakeLine(std::string_view line) {
    if (absl::StartsWithIgnoreCase(ToAbsl(line), "http/")) {
      head = {};
      return;
    }
    const size_t colon = line.find(':');
    if (colon == line.npos) return;
    const std::string name = absl::AsciiStrToLower(ToAbsl(line.substr(0, colon)));
    const std::string value(absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1))));
    if (name == "x-error-code") head.error_code = Printable(value);
    if (name == "x-error-message") head.error_message = Printable(value);
    if (int64_t seconds = 0; name == "retry-after" && absl::SimpleAtoi(value, &seconds) && seconds > 0) {
      head.retry_after = absl::Seconds(seconds);
    }
    if (name == "content-range" && absl::StartsWithIgnoreCase(value, "bytes ")) {
      const size_t end = value.find('-');
      if (end == value.npos || !absl::SimpleAtoi(value.substr(6, end - 6), &head.first_byte)) head.first_byte = -1;
    }
  }

  bool TakePiece(std::string_view piece) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    head.status = status;
    if (!head.ok()) return true;  // a page that tells of an error
    if (status == 200) head.first_byte = 0;
    if ((*sink)(head, piece)) return true;
    ended_here = true;
    return false;
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    static_cast<Transfer*>(self)->TakeLine({data, size * count});
    return size * count;
  }
  static size_t OnBody(char* data, size_t size, size_t count, void* self) {
    return static_cast<Transfer*>(self)->TakePiece({data, size * count}) ? size * count : 0;
  }
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.ended_here = transfer.ended_here || transfer.stop->load();
    return transfer.ended_here ? 1 : 0;
  }
};

HttpClient::HttpClient(std::string token, const std::atomic<bool>& stop) : token_(std::move(token)), stop_(stop) {
  InitialiseOnce();
  transfer_ = std::make_unique<Transfer>();
  transfer_->stop = &stop_;
  transfer_->handle = curl_easy_init();
  if (!token_.empty()) {
    transfer_->headers = curl_slist_append(nullptr, Concat("Authorization: Bearer ", token_).c_str());
  }
}

HttpClient::~HttpClient() = default;

absl::StatusOr<HttpAnswer> HttpClient::Get(const std::string& url, int64_t first, const Sink& sink) {
  Transfer& transfer = *transfer_;
  CURL* const handle = transfer.handle;
  if (handle == nullptr) return absl::InternalError("libcurl could not be initialised");
  transfer.head = {};
  transfer.sink = &sink;
  transfer.ended_here = false;
  transfer.error[0] = '\0';
  const std::string range = Concat(first, "-");
  const bool secure = url.starts_with("https://");
  curl_easy_reset(handle);  // keeps the connection
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer.headers);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "batucada");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer.error.data());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  if (const char* file = AuthoritiesFile()) curl_easy_setopt(handle, CURLOPT_CAINFO, file);
  if (first > 0) curl_easy_setopt(handle, CURLOPT_RANGE, range.c_str());

  const CURLcode result = curl_easy_perform(handle);
  if (transfer.ended_here) return absl::CancelledError("the transfer was ended");
  if (result != CURLE_OK) {
    const char* reason = transfer.error[0] != '\0' ? transfer.error.data() : curl_easy_strerror(result);
    return absl::UnavailableError(Concat(url, ": ", reason));
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  transfer.head.status = status;
  if (status == 200) transfer.head.first_byte = 0;
  return transfer.head;
}

}  // namespace batucada
