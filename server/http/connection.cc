#include "server/http/connection.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "absl/strings/match.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/http/body_coding.h"
#include "server/http/request_head.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = 16 << 10;               // asked of the socket at once
constexpr size_t kMinInboxBytes = 32 << 10;           // at least the headers of one request must fit
constexpr absl::Duration kLinger = absl::Seconds(2);  // for a client to read the answer that ends its connection

std::chrono::nanoseconds ToChrono(absl::Duration duration) { return absl::ToChronoNanoseconds(duration); }

}  // namespace

// Carries a LiveAnswer's wake-ups from any thread to the connection's; several at once become one.
class Connection::Waker : public std::enable_shared_from_this<Waker> {
 public:
  explicit Waker(std::shared_ptr<Connection> connection) : executor_(connection->executor()), connection_(connection) {}

  void Wake() {
    if (posted_.exchange(true)) return;
    asio::post(executor_, [self = shared_from_this()] {
      self->posted_ = false;
      if (const auto connection = self->connection_.lock()) connection->wake_.Notify();
    });
  }

 private:
  asio::any_io_executor executor_;
  std::weak_ptr<Connection> connection_;
  std::atomic<bool> posted_{false};
};

Connection::Connection(std::unique_ptr<ByteStream> stream, ConnectionContext& context, Client client,
                       std::function<void()> on_end)
    : stream_(std::move(stream)), context_(context), client_(client), on_end_(std::move(on_end)),
      patience_(stream_->executor()), arrived_(stream_->executor()), room_(stream_->executor()),
      wake_(stream_->executor()) {}

Connection::~Connection() {
  EndIdling();
  if (spare_place_) context_.spare.Leave(*spare_place_);
  on_end_();
}

void Connection::Start(Admission admission) {
  spare_ = admission == Admission::kSpare;
  if (spare_) {
    spare_place_ = context_.spare.Join(weak_from_this());
  } else {
    BeginIdling();
  }
  asio::co_spawn(executor(), Serve(shared_from_this()), asio::detached);
}

void Connection::BeginIdling() {
  if (!idle_place_ && !spare_) idle_place_ = context_.idle.Join(weak_from_this());
}

void Connection::EndIdling() {
  if (idle_place_) context_.idle.Leave(*std::exchange(idle_place_, std::nullopt));
}

void Connection::MakeRoom() {
  if (idle_place_ || spare_) Close();
}

void Connection::Close() {
  stream_->Close();
  peer_closed_ = true;
  arrived_.Notify();
  room_.Notify();
  wake_.Notify();
}

void Connection::BePatient(absl::Duration duration) {
  patience_.expires_after(ToChrono(duration));
  patience_.async_wait([weak = weak_from_this()](error_code cancelled) {
    const auto self = weak.lock();
    if (!cancelled && self != nullptr) self->Close();
  });
}

asio::awaitable<void> Connection::ReadLoop(std::shared_ptr<Connection>) {
  const size_t capacity = std::max(kMinInboxBytes, static_cast<size_t>(context_.limits.max_header_bytes) + kReadBytes);
  while (!peer_closed_) {
    if (inbox_.size() >= capacity) {
      co_await room_.WaitUntil(Event::Never());
      continue;
    }
    const error_code error = co_await stream_->Read(inbox_, kReadBytes);
    if (error == asio::error::operation_aborted) break;
    if (error == asio::error::eof) {
      peer_closed_ = true;
      // A write that waits for this client would wait in vain; an answer that is whole may still be read.
      if (live_) Close();
    } else if (error) {
      Close();
    }
    arrived_.Notify();
    wake_.Notify();
  }
}

asio::awaitable<bool> Connection::Open() {
  BePatient(context_.limits.read_timeout);
  const error_code error = co_await stream_->Open();
  patience_.cancel();
  co_return !error;
}

asio::awaitable<void> Connection::Serve(std::shared_ptr<Connection> self) {
  try {
    const bool open = co_await Open();
    if (open) {
      asio::co_spawn(executor(), ReadLoop(self), asio::detached);
      co_await ServeRequests();
    }
  } catch (const std::exception& exception) {
    spdlog::error("connection ended by an exception: {} request_id={}", exception.what(), request_id_);
  }
  Close();
}

asio::awaitable<void> Connection::ServeRequests() {
  while (true) {
    endpoint_ = "none";
    request_ = {};
    request_id_.clear();
    answer_headers_.clear();
    head_only_ = false;
    error_form_ = ErrorForm::kOpenAi;
    const Intake intake = co_await ReadRequest();
    if (intake == Intake::kClosed) co_return;
    if (intake == Intake::kRejected || spare_) keep_alive_ = false;
    bool usable = false;
    if (intake == Intake::kRequest) {
      usable = co_await Dispatch();
    } else {
      usable = co_await Respond(std::move(response_));
    }
    if (!usable) co_return;
    if (!keep_alive_) {
      co_await CloseGently();
      co_return;
    }
  }
}

asio::awaitable<bool> Connection::Dispatch() {
  bool usable = false;
  Answer answer;
  try {
    answer = match_.route == nullptr ? Answer(std::move(match_.error)) : match_.route->handler(std::move(request_));
  } catch (const std::bad_alloc&) {
    answer = ErrorResponse(OutOfMemory(), error_form_);
  }
  if (auto* live = std::get_if<std::unique_ptr<LiveAnswer>>(&answer)) {
    live_ = true;
    usable = co_await RespondLive(std::move(*live));
    live_ = false;
  } else {
    usable = co_await Respond(std::move(std::get<HttpResponse>(answer)));
  }
  co_return usable;
}

void Connection::Recognise(const http::request_header<>& head) {
  const auto target = head.target();
  error_form_ = context_.router.ErrorFormFor({target.data(), target.size()});
  request_id_ = RequestIdOf(head);
}

Connection::Intake Connection::AcceptHead(const http::request_header<>& head) {
  Recognise(head);
  absl::StatusOr<HttpRequest> request = ToHttpRequest(head);
  if (!request.ok()) {
    return Reject(400, std::string(request.status().message()), "malformed_request");
  }
  request_ = *std::move(request);
  request_.request_id = request_id_;
  request_.client = client_;
  head_only_ = request_.method == "HEAD";
  match_ = context_.router.Find(request_.method, request_.path);
  error_form_ = request_.error_form = match_.error_form;
  answer_headers_ = context_.gate.AnswerHeaders(request_, match_.route);
  if (match_.route != nullptr) endpoint_ = match_.route->name;
  request_.captures = std::move(match_.captures);
  std::optional<HttpResponse> stopped = context_.gate.Stop(&request_, match_.route);
  if (!stopped && match_.route != nullptr) stopped = RefuseCoding(request_);
  if (spare_ && (match_.route == nullptr || match_.route->access != Access::kHealth)) {
    context_.metrics.OnConnectionRefused();
    return Reject(503, "too many connections are open: there is no room for another now", "too_many_connections");
  }
  if (!stopped) return Intake::kRequest;
  response_ = *std::move(stopped);
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
  const auto deadline = Event::Clock::now() + ToChrono(patience);
  while (true) {
    // RFC 9112 §2.2: empty lines before a request are ignored.
    while (inbox_.size() > 0) {
      const char byte = *static_cast<const char*>(inbox_.data().data());
      if (byte != '\r' && byte != '\n') co_return Read::kData;
      inbox_.consume(1);
    }
    room_.Notify();
    if (peer_closed_ || context_.closing) co_return Read::kClosed;
    const bool notified = co_await arrived_.WaitUntil(deadline);
    if (!notified) co_return Read::kTimeout;
  }
}

Connection::Intake Connection::Reject(int status, std::string_view message, std::string_view code) {
  response_ = ErrorResponse(status, message, code, error_form_);
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

  auto deadline = Event::Clock::now() + ToChrono(limits.read_timeout);
  HeadGuard head_guard(static_cast<size_t>(limits.max_header_bytes));
  HeadGuard::State head_state = head_guard.Look(InboxBytes());
  while (head_state == HeadGuard::State::kPartial) {
    const Read read = co_await ReadMore(inbox_.size(), deadline);
    if (read == Read::kClosed) co_return Intake::kClosed;
    if (read == Read::kTimeout) co_return RejectLate("headers");
    head_state = head_guard.Look(InboxBytes());
  }
  EndIdling();

  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(limits.max_header_bytes));
  parser.body_limit(static_cast<uint64_t>(limits.max_body_bytes));
  parser.eager(true);
  ChunkGuard chunk_guard(static_cast<size_t>(limits.max_header_bytes));
  auto take_chunk = [&chunk_guard](uint64_t, boost::beast::string_view extension, error_code& error) {
    if (!chunk_guard.TakeExtension({extension.data(), extension.size()})) error = http::error::header_limit;
  };
  parser.on_chunk_header(take_chunk);
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
      response_ = ErrorResponse(OutOfMemory(), error_form_);
      fits = false;
    }
    if (!fits) co_return Intake::kRejected;
    inbox_.consume(parsed);
    room_.Notify();
    const size_t seen = inbox_.size();
    if (error && error != http::error::need_more && !headers_done) Recognise(parser.get().base());
    const bool in_chunks = headers_done && parser.chunked() && !parser.is_done();
    if (error == http::error::header_limit || (in_chunks && !chunk_guard.AllowsWaiting(seen))) {
      co_return Reject(chunk_guard.TooLong());
    }
    if (error == http::error::body_limit) {
      co_return Reject(413, fmt::format("the request's body is longer than {} bytes", limits.max_body_bytes),
                       "body_too_large");
    }
    if (error && error != http::error::need_more) {
      co_return Reject(400, fmt::format("not a valid HTTP/1.1 request: {}", error.message()), "malformed_request");
    }
    if (!headers_done && parser.is_header_done()) {
      headers_done = true;
      keep_alive_ = parser.keep_alive();
      http_1_0_ = parser.get().version() < 11;
      const Intake intake = AcceptHead(parser.get().base());
      if (intake == Intake::kAnswered && !parser.is_done()) co_return Intake::kRejected;
      if (intake != Intake::kRequest) co_return intake;
    }
    if (headers_done) {
      const auto length = parser.content_length();
      if (absl::Status status = ChargeBody(parser.get().body(), length ? std::optional(*length) : std::nullopt);
          !status.ok()) {
        response_ = ErrorResponse(status, error_form_);
        co_return Intake::kRejected;
      }
    }
    if (parser.is_done()) break;
    if (headers_done && !continued) {
      continued = true;
      patience = Patience(limits.read_timeout, limits.min_transfer_rate);
      const auto expect = parser.get()[http::field::expect];
      if (ReadExpectation({expect.data(), expect.size()}, http_1_0_) == Expectation::kContinue) {
        std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        const bool usable = co_await Write(std::move(go_on), patience);
        if (!usable) co_return Intake::kClosed;
      }
    }
    const auto before = Event::Clock::now();
    const Read read = co_await ReadMore(seen, before + ToChrono(patience.left()));
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
  request_.body = std::move(parser.get().body());
  co_return Intake::kRequest;
}

// A body whose length is known was given room for all of it, of which it has touched what has come; one in chunks grows
// by doubling.
absl::Status Connection::ChargeBody(const std::string& body, std::optional<uint64_t> length) {
  constexpr int64_t kStep = 64 << 10;
  if (context_.memory == nullptr || body.empty()) return absl::OkStatus();
  int64_t bytes = static_cast<int64_t>(length ? body.size() : body.capacity());
  if (bytes <= request_.memory.bytes()) return absl::OkStatus();
  bytes = length ? std::min(static_cast<int64_t>(*length), bytes + kStep) : bytes;
  if (request_.memory.bytes() > 0) return request_.memory.Resize(bytes);
  BATUCADA_ASSIGN_OR_RETURN(request_.memory, context_.memory->Charge(MemoryPart::kBody, bytes));
  return absl::OkStatus();
}

asio::awaitable<bool> Connection::Respond(HttpResponse response) {
  if (context_.parting) keep_alive_ = false;
  if (request_id_.empty()) request_id_ = NewRequestId();  // nothing of the request was read
  context_.metrics.OnHttpResponse(endpoint_, response.status);
  response.headers.insert(response.headers.end(), answer_headers_.begin(), answer_headers_.end());
  constexpr size_t kShort = 32 << 10;  // worth copying, for the sake of one write
  Patience patience = AnswerPatience();
  std::string bytes = ResponseHead(response, request_id_, Framing::kLength, keep_alive_);
  if (!head_only_ && response.body.size() <= kShort) bytes += response.body;
  bool usable = co_await Write(std::move(bytes), patience);
  if (usable && !head_only_ && response.body.size() > kShort) {
    usable = co_await Write(std::move(response.body), patience);
  }
  co_return usable;
}

asio::awaitable<bool> Connection::RespondLive(std::unique_ptr<LiveAnswer> answer) {
  const auto waker = std::make_shared<Waker>(shared_from_this());
  answer->OnReady([waker] { waker->Wake(); });
  // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
  const Framing framing = http_1_0_ ? Framing::kUntilClose : Framing::kChunked;
  const HttpLimits& limits = context_.limits;
  Patience patience = AnswerPatience();
  bool streaming = false;
  while (!peer_closed_) {
    std::optional<HttpResponse> head;
    std::string body, bytes;
    LiveAnswer::Progress progress = LiveAnswer::Progress::kDone;
    try {
      progress = answer->Advance(&head, &body);
    } catch (const std::bad_alloc&) {
      if (streaming) throw;
      head = ErrorResponse(OutOfMemory(), error_form_);
      body.clear();
    }
    const bool done = progress == LiveAnswer::Progress::kDone;
    if (head && done && !streaming) {
      head->body += body;
      const bool usable = co_await Respond(*std::move(head));
      co_return usable;
    }
    if (head) {
      streaming = true;
      if (http_1_0_ || context_.parting) keep_alive_ = false;
      context_.metrics.OnHttpResponse(endpoint_, head->status);
      head->headers.insert(head->headers.end(), answer_headers_.begin(), answer_headers_.end());
      bytes = ResponseHead(*head, request_id_, framing, keep_alive_);
    }
    if (framing == Framing::kChunked) {
      AppendChunk(body, &bytes);
      if (done) bytes += kLastChunk;
    } else {
      bytes += body;
    }
    if (!bytes.empty()) {
      const bool usable = co_await Write(std::move(bytes), patience);
      if (!usable) break;
    }
    if (done) co_return true;
    if (progress == LiveAnswer::Progress::kMore) {
      co_await asio::post(executor(), asio::use_awaitable);  // the thread's other connections have a turn
      continue;
    }
    const bool silent = streaming && limits.keep_alive_period > absl::ZeroDuration();
    const bool woken =
        co_await wake_.WaitUntil(silent ? Event::Clock::now() + ToChrono(limits.keep_alive_period) : Event::Never());
    if (woken) continue;
    std::string comment, comment_bytes;
    answer->KeepAlive(&comment);
    framing == Framing::kChunked ? AppendChunk(comment, &comment_bytes) : comment_bytes.swap(comment);
    const bool usable = co_await Write(std::move(comment_bytes), patience);
    if (!usable) break;
  }
  co_return false;
}

Patience Connection::AnswerPatience() const {
  return Patience(context_.limits.write_timeout, context_.limits.min_transfer_rate);
}

asio::awaitable<bool> Connection::Write(std::string bytes, Patience& patience) {
  size_t written = 0;
  while (written < bytes.size()) {
    error_code error;
    const auto rest = [&] { return asio::buffer(bytes.data() + written, bytes.size() - written); };
    written += stream_->WriteNow(rest(), error);
    if (!error) continue;  // nearly always the kernel takes it all and nobody waits
    if (error != asio::error::would_block) co_return false;
    BePatient(patience.left());
    const auto before = Event::Clock::now();
    const size_t more = co_await stream_->WriteSome(rest(), error);
    patience_.cancel();
    if (error) co_return false;
    written += more;
    patience.OnWaited(absl::FromChrono(Event::Clock::now() - before));
    patience.OnMoved(more);
  }
  co_return true;
}

asio::awaitable<void> Connection::CloseGently() {
  const auto deadline = Event::Clock::now() + ToChrono(kLinger);
  BePatient(kLinger);
  co_await stream_->EndWriting();
  patience_.cancel();
  // Closing with unread bytes would reset the connection and take the answer with it.
  while (!peer_closed_ && Event::Clock::now() < deadline) {
    inbox_.consume(inbox_.size());
    room_.Notify();
    co_await arrived_.WaitUntil(deadline);
  }
}

}  // namespace batucada
