// How a connection's requests come in.
#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <boost/beast/http/parser.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/http/appended_body.h"
#include "server/http/body_coding.h"
#include "server/http/connection.h"
#include "server/http/request_head.h"
#include "server/http/router.h"

namespace batucada {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::string_view kEmptyLine = "\r\n";

// What the parser found wrong, for who has never seen it.
std::string Explain(const error_code& error) {
  if (error == http::error::bad_value) return "the value of a header, or of a trailer, is malformed";
  if (error == http::error::bad_field) return "a header, or a trailer, is not a name, a colon and a value";
  if (error == http::error::bad_line_ending) return "a line does not end with CRLF";
  if (error == http::error::bad_chunk) {
    return "a chunk of its body is not a size in hexadecimal, CRLF, so many bytes and CRLF";
  }
  if (error == http::error::bad_chunk_extension) {
    return "behind the size of a chunk, hexadecimal digits alone, comes neither CRLF nor ';name=value'";
  }
  return error.message();
}

}  // namespace

void Connection::Recognise(const http::request_header<>& head) {
  const auto target = head.target();
  turn_.error_form = context_.router.ErrorFormFor({target.data(), target.size()});
  turn_.request_id = RequestIdOf(head);
}

Connection::Intake Connection::AcceptHead(const http::request_header<>& head) {
  turn_.request_id = RequestIdOf(head);
  if (const absl::Status status = ReadHead(head, &turn_.request); !status.ok()) {
    Recognise(head);
    return Reject(400, std::string(status.message()), "malformed_request");
  }
  turn_.request.request_id = turn_.request_id;
  turn_.request.client = client_;
  turn_.head_only = turn_.request.method == "HEAD";
  turn_.match = context_.router.Find(turn_.request.method, turn_.request.path);
  std::replace(turn_.request.path.begin(), turn_.request.path.end(), kEscapedSlash, '/');
  turn_.error_form = turn_.request.error_form = turn_.match.error_form;
  turn_.answer_headers = context_.gate.AnswerHeaders(turn_.request, turn_.match.route);
  // Anthropic's clients look for it under that name.
  if (turn_.error_form == ErrorForm::kAnthropic) turn_.answer_headers.emplace_back("request-id", turn_.request_id);
  if (turn_.match.route != nullptr) turn_.endpoint = turn_.match.route->name;
  turn_.request.captures = std::move(turn_.match.captures);
  std::optional<HttpResponse> stopped = context_.gate.Stop(&turn_.request, turn_.match.route);
  if (!stopped && turn_.match.route != nullptr) stopped = RefuseCoding(turn_.request);
  if (spare_ && (turn_.match.route == nullptr || turn_.match.route->access != Access::kHealth)) {
    context_.metrics.OnConnectionRefused();
    return Reject(503, "too many connections are open: there is no room for another now", "too_many_connections");
  }
  if (!stopped) return Intake::kRequest;
  turn_.response = *std::move(stopped);
  return Intake::kAnswered;
}

asio::awaitable<Connection::Read> Connection::ReadMore(size_t seen, Event::Clock::time_point deadline) {
  while (inbox_.size() <= seen) {
    if (peer_closed_) co_return Read::kClosed;
    const bool notified = co_await arrived_.WaitUntil(deadline);
    if (!notified) co_return Read::kTimeout;
  }
  co_return Read::kData;
}

asio::awaitable<Connection::Read> Connection::AwaitRequest() {
  BeginIdling();
  const auto patience = spare_ ? context_.limits.read_timeout : context_.limits.idle_timeout;
  const auto deadline = Event::Clock::now() + absl::ToChronoNanoseconds(patience);
  while (true) {
    // RFC 9112 §2.2: empty lines before a request are ignored. CR or LF alone is no line, and HeadGuard says so.
    while (InboxBytes().starts_with(kEmptyLine)) inbox_.consume(kEmptyLine.size());
    if (inbox_.size() > 0 && !kEmptyLine.starts_with(InboxBytes())) co_return Read::kData;
    room_.Notify();
    if (peer_closed_ || context_.closing) co_return Read::kClosed;
    inbox_memory_.Release();
    inbox_.shrink_to_fit();  // who is silent holds nothing; nobody reads into it meanwhile (see ByteStream::Read)
    const bool notified = co_await arrived_.WaitUntil(deadline);
    if (!notified) co_return Read::kTimeout;
  }
}

Connection::Intake Connection::Reject(int status, std::string_view message, std::string_view code) {
  turn_.response = ErrorResponse(status, message, code, turn_.error_form);
  return Intake::kRejected;
}

Connection::Intake Connection::Reject(const FramingFault& fault) {
  return Reject(fault.status, fault.message, fault.code);
}

Connection::Intake Connection::RejectLate(std::string_view part) {
  return Reject(408,
                fmt::format("the request's {} did not arrive within {}", part,
                            absl::FormatDuration(context_.limits.read_timeout)),
                "request_timeout");
}

asio::awaitable<Connection::Intake> Connection::ReadRequest() {
  const HttpLimits& limits = context_.limits;
  const Read first = co_await AwaitRequest();
  if (first != Read::kData) co_return Intake::kClosed;

  auto deadline = Event::Clock::now() + absl::ToChronoNanoseconds(limits.read_timeout);
  HeadGuard head_guard(static_cast<size_t>(limits.max_header_bytes));
  HeadGuard::State head_state = head_guard.Look(InboxBytes());
  while (head_state == HeadGuard::State::kPartial) {
    if (absl::Status status = ChargeInbox(); !status.ok()) {
      turn_.response = ErrorResponse(status, turn_.error_form);
      co_return Intake::kRejected;
    }
    const Read read = co_await ReadMore(inbox_.size(), deadline);
    if (read == Read::kClosed) co_return Intake::kClosed;
    if (read == Read::kTimeout) co_return RejectLate("headers");
    head_state = head_guard.Look(InboxBytes());
  }
  EndIdling();

  http::request_parser<AppendedBody> parser;
  const absl::Cleanup drop = [&] { Drop(std::move(parser.get().body())); };
  parser.header_limit(static_cast<uint32_t>(limits.max_header_bytes));
  parser.body_limit(static_cast<uint64_t>(limits.max_body_bytes));
  parser.eager(true);
  ChunkGuard chunk_guard(static_cast<size_t>(limits.max_header_bytes));
  size_t head_left = head_guard.size();  // bytes of it that the parser has not taken
  bool headers_done = false, continued = false;
  Patience patience(limits.read_timeout, limits.min_transfer_rate);
  if (head_state == HeadGuard::State::kFault) {
    // What can be read of it says whose error this is.
    error_code ignored;
    parser.put(inbox_.data(), ignored);
    Recognise(parser.get().base());
    co_return Reject(head_guard.fault());
  }
  while (true) {
    error_code error;
    size_t parsed = 0;
    bool fits = true;
    try {
      parsed = parser.put(inbox_.data(), error);
    } catch (const std::bad_alloc&) {
      turn_.response = ErrorResponse(OutOfMemory(), turn_.error_form);
      fits = false;
    }
    if (!fits) co_return Intake::kRejected;
    std::string_view taken = InboxBytes().substr(0, parsed);
    const size_t of_head = std::min(head_left, parsed);
    head_left -= of_head;
    taken.remove_prefix(of_head);
    std::optional<FramingFault> fault;
    if (!error || error == http::error::need_more) fault = chunk_guard.Follow(parser.chunked() ? taken : "");
    inbox_.consume(parsed);
    room_.Notify();
    const size_t seen = inbox_.size();
    if (error && error != http::error::need_more && !headers_done) Recognise(parser.get().base());
    const bool in_chunks = parser.is_header_done() && parser.chunked() && !parser.is_done();
    if (in_chunks && !fault) fault = chunk_guard.CheckWaiting(InboxBytes());
    if (error == http::error::body_limit) {
      co_return Reject(413, fmt::format("the request's body is longer than {} bytes", limits.max_body_bytes),
                       "body_too_large");
    }
    if (error && error != http::error::need_more) {
      co_return Reject(400, fmt::format("not a valid HTTP/1.1 request: {}", Explain(error)), "malformed_request");
    }
    if (!headers_done && parser.is_header_done()) {
      headers_done = true;
      turn_.keep_alive = parser.keep_alive();
      turn_.http_1_0 = parser.get().version() < 11;
      const Intake intake = AcceptHead(parser.get().base());
      if (intake == Intake::kAnswered && (fault || !parser.is_done())) co_return Intake::kRejected;
      if (intake != Intake::kRequest) co_return intake;
    }
    if (fault) co_return Reject(*fault);
    if (headers_done) {
      const auto length = parser.content_length();
      if (absl::Status status = ChargeBody(parser.get().body(), length ? std::optional(*length) : std::nullopt);
          !status.ok()) {
        turn_.response = ErrorResponse(status, turn_.error_form);
        co_return Intake::kRejected;
      }
    }
    if (parser.is_done()) break;
    if (headers_done && !continued) {
      continued = true;
      patience = Patience(limits.read_timeout, limits.min_transfer_rate);
      const auto expect = parser.get()[http::field::expect];
      if (ReadExpectation({expect.data(), expect.size()}, turn_.http_1_0) == Expectation::kContinue) {
        if (turn_.match.route == nullptr) {  // a body would change nothing
          turn_.response = std::move(turn_.match.error);
          co_return Intake::kRejected;
        }
        std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        const bool usable = co_await Write(std::move(go_on), patience);
        if (!usable) co_return Intake::kClosed;
      }
    }
    const auto before = Event::Clock::now();
    const Read read = co_await ReadMore(seen, before + absl::ToChronoNanoseconds(patience.left()));
    patience.OnWaited(absl::FromChrono(Event::Clock::now() - before));
    if (headers_done) patience.OnMoved(inbox_.size() - seen);
    if (read == Read::kClosed) co_return Intake::kClosed;
    if (read == Read::kTimeout) {
      if (!headers_done) co_return RejectLate("headers");
      co_return Reject(408,
                       fmt::format("the request's body came too slowly: {} passed without {} bytes a "
                                   "second (--read-timeout, --min-transfer-rate)",
                                   absl::FormatDuration(limits.read_timeout), limits.min_transfer_rate),
                       "request_timeout");
    }
  }
  turn_.request.body = std::move(parser.get().body());
  co_return Intake::kRequest;
}

// Of a request that goes no further. What goes on has been taken from it.
void Connection::Drop(std::string body) {
  const size_t bytes = body.capacity();
  if (context_.disposer == nullptr || bytes < Disposer::kLarge) return;
  std::shared_ptr<std::string> waste;
  try {
    waste = std::make_shared<std::string>(std::move(body));
  } catch (const std::bad_alloc&) {
    return;  // it goes here
  }
  context_.disposer->Dispose(std::move(waste), bytes, std::move(turn_.request.memory));
}

absl::Status Connection::ChargeInbox(size_t more) {
  if (context_.memory == nullptr || inbox_.size() + more <= kFreeInboxBytes) return absl::OkStatus();
  const auto bytes = static_cast<int64_t>(std::max(inbox_.capacity(), inbox_.size() + more));
  if (bytes <= inbox_memory_.bytes()) return absl::OkStatus();
  if (inbox_memory_.bytes() > 0) return inbox_memory_.Resize(bytes);
  BATUCADA_ASSIGN_OR_RETURN(inbox_memory_, context_.memory->Charge(MemoryPart::kBody, bytes));
  return absl::OkStatus();
}

// A body whose length is known was given room for all of it, of which it has touched what has come; one in chunks grows
// by doubling.
absl::Status Connection::ChargeBody(const std::string& body, std::optional<uint64_t> length) {
  constexpr int64_t kStep = 64 << 10;
  if (context_.memory == nullptr || body.empty()) return absl::OkStatus();
  int64_t bytes = static_cast<int64_t>(length ? body.size() : body.capacity());
  if (bytes <= turn_.request.memory.bytes()) return absl::OkStatus();
  bytes = length ? std::min(static_cast<int64_t>(*length), bytes + kStep) : bytes;
  if (turn_.request.memory.bytes() > 0) return turn_.request.memory.Resize(bytes);
  BATUCADA_ASSIGN_OR_RETURN(turn_.request.memory, context_.memory->Charge(MemoryPart::kBody, bytes));
  return absl::OkStatus();
}

}  // namespace batucada
