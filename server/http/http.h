// What an HTTP handler sees: a request that has arrived whole, and an answer. No sockets here: connection.h moves the
// bytes, so that handlers can be tested without any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "server/common/client.h"
#include "server/common/trace.h"
#include "server/memory/account.h"

namespace batucada {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// How an error is written so that clients of a route can read it, whoever makes the error: see Route.
enum class ErrorForm : uint8_t {
  kOpenAi,         // {"error": {"message": …, "type": …, "param": …, "code": …}}
  kOpenInference,  // {"error": "…"}, as Ollama's are too
  kTgi,            // {"error": "…", "error_type": "validation"}, and 422 for a bad request
  kAnthropic,      // {"type": "error", "error": {"type": …, "message": …}}
};

struct HttpRequest {
  std::string method;  // "GET", …
  std::string path;    // without the query, percent-decoded
  std::string query;   // after '?', as sent
  Headers headers;
  std::string body;
  std::string request_id;                     // x-request-id as sent if it is sound, else a fresh one
  TraceContext trace;                         // of a sound traceparent header, else empty
  std::vector<std::string> captures;          // what the route's wildcards matched, in order
  Client client;                              // who sends it
  ErrorForm error_form = ErrorForm::kOpenAi;  // of its route
  MemoryCharge memory;                        // for the body, while this is held

  // The first of that name (lower case), or empty.
  std::string_view Header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // a literal
  Headers headers;  // besides content-type, content-length, connection and x-request-id
  std::string body;
};

// An answer that takes its time: to a request that the engine is working on. Belongs to a connection, whose thread
// alone uses it, and ends on any thread (see Disposer). Destroying it before it is done means that the client is gone.
class LiveAnswer {
 public:
  enum class Progress : uint8_t {
    kWaiting,  // for a wake-up
    kMore,     // goes on at once, when `body` is written: more of it than is well held in memory
    kDone,
  };

  virtual ~LiveAnswer() = default;
  // `wake` may be called from any thread, at any time until this is destroyed, whenever Advance has something to do.
  virtual void OnReady(std::function<void()> wake) = 0;
  // Moves on as far as it can without waiting. Sets `head` once, as soon as the status is known, and appends to `body`
  // what is ready. If it is done when it sets the head, the answer is sent whole; else it is streamed.
  virtual Progress Advance(std::optional<HttpResponse>* head, std::string* body) = 0;
  // Appends what tells the client, and proxies on the way, that a streamed answer goes on although it is silent.
  virtual void KeepAlive(std::string* /*body*/) {}
};

using Answer = std::variant<HttpResponse, std::unique_ptr<LiveAnswer>>;
using Handler = std::function<Answer(HttpRequest)>;

// The header that names members of the request that had no effect, for no table knows them.
inline constexpr char kIgnoredParameters[] = "x-ignored-parameters";

HttpResponse JsonResponse(std::string body);
HttpResponse TextResponse(std::string body);

// 429 and 503 carry Retry-After.
HttpResponse ErrorResponse(const absl::Status& status, ErrorForm form = ErrorForm::kOpenAi);
HttpResponse ErrorResponse(int http_status, std::string_view message, std::string_view code,
                           ErrorForm form = ErrorForm::kOpenAi);
// When a client that was turned away may come back.
void AddRetryAfter(HttpResponse* response);

}  // namespace batucada
