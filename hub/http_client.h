// GET over HTTP, for the Hub: redirects, ranges, bearer tokens. libcurl's, which brings TLS and proxies (HTTPS_PROXY,
// NO_PROXY).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace batucada {

// The head of the last answer, after redirects.
struct HttpAnswer {
  int64_t status = 0;
  int64_t first_byte = 0;      // of the body, in the whole file; not 0 only with status 206
  std::string error_code;      // the Hub's X-Error-Code: "RepoNotFound", "RevisionNotFound", "GatedRepo" …
  std::string error_message;   // its X-Error-Message
  absl::Duration retry_after;  // asked for; zero if not

  bool ok() const { return status == 200 || status == 206; }
  // Whether the same request may succeed later.
  bool may_pass() const { return status == 408 || status == 429 || status >= 500; }
};

// One connection at a time, kept open between requests. Not thread-safe.
class HttpClient {
 public:
  // Takes a piece of a body; false ends the transfer. Only bodies of answers that are ok() come.
  using Sink = std::function<bool(const HttpAnswer& head, std::string_view piece)>;

  // The token goes to no other host than the one that is asked, whatever that redirects to. Once `stop` is set,
  // transfers end.
  HttpClient(std::string token, const std::atomic<bool>& stop);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // From byte `first` on, which a server may pass over: the answer says. UNAVAILABLE if no whole answer came (no
  // connection, nothing for 30 s, cut off), CANCELLED if the sink or `stop` ended it. An https address is never
  // redirected to http.
  absl::StatusOr<HttpAnswer> Get(const std::string& url, int64_t first, const Sink& sink);

 private:
  struct Transfer;
  std::string token_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace batucada
