#include "server/http/connection.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include <spdlog/spdlog.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/common/request_id.h"
#include "server/http/request_head.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kReadBytes = 16 << 10;                    // asked of the socket at once,
constexpr size_t kMostReadBytes = 256 << 10;               // or so many of one that always had as many
constexpr size_t kMinInboxBytes = 32 << 10;                // at least the headers of one request must fit
constexpr auto kFirstWait = std::chrono::milliseconds(1);  // of a stream's head for its first text
constexpr absl::Duration kLinger = absl::Seconds(2);       // for a client to read the answer that ends its connection

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

void Connection::TakePlace(Admission admission) {
  spare_ = admission == Admission::kSpare;
  if (spare_) {
    spare_place_ = context_.spare.Join(weak_from_this());
  } else {
    BeginIdling();
  }
}

void Connection::Start() { asio::co_spawn(executor(), Serve(shared_from_this()), asio::detached); }

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
  try {
    co_await ReadOn();
  } catch (const std::exception& exception) {  // without a reader nobody would see the client go
    spdlog::error("connection ended by an exception: {} request_id={}", exception.what(), turn_.request_id);
    Close();
  }
}

asio::awaitable<void> Connection::ReadOn() {
  const size_t capacity = std::max(kMinInboxBytes, static_cast<size_t>(context_.limits.max_header_bytes) + kReadBytes);
  size_t most = kReadBytes;
  while (!peer_closed_) {
    if (inbox_.size() >= capacity || !ChargeInbox().ok()) {
      co_await room_.WaitUntil(Event::Never());
      continue;
    }
    if (most > kReadBytes && !ChargeInbox(most).ok()) most = kReadBytes;
    error_code error;
    const size_t read = co_await stream_->Read(inbox_, most, error);
    most = read == most ? std::min(4 * most, kMostReadBytes) : kReadBytes;
    if (error == asio::error::operation_aborted) break;
    if (error == asio::error::eof) {
      peer_closed_ = true;
      // A write that waits for this client would wait in vain; an answer that is whole may still be read.
      if (live_) Close();
    } else if (error) {
      Close();
    }
    arrived_.Notify();
    if (peer_closed_) wake_.Notify();
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
    spdlog::error("connection ended by an exception: {} request_id={}", exception.what(), turn_.request_id);
  }
  Close();
}

asio::awaitable<void> Connection::ServeRequests() {
  while (true) {
    std::destroy_at(&turn_);
    std::construct_at(&turn_);
    const Intake intake = co_await ReadRequest();
    if (intake == Intake::kClosed) co_return;
    if (intake == Intake::kRejected || spare_) turn_.keep_alive = false;
    bool usable = false;
    if (intake == Intake::kRequest) {
      usable = co_await Dispatch();
    } else {
      usable = co_await Respond(std::move(turn_.response));
    }
    if (!usable) co_return;
    if (!turn_.keep_alive) {
      co_await CloseGently();
      co_return;
    }
    // What the client has sent ahead of this answer waits until the thread's other connections have had a turn.
    if (inbox_.size() > 0) co_await asio::post(executor(), asio::use_awaitable);
  }
}

asio::awaitable<bool> Connection::Dispatch() {
  bool usable = false;
  Answer answer;
  try {
    answer = turn_.match.route == nullptr ? Answer(std::move(turn_.match.error))
                                          : turn_.match.route->handler(std::move(turn_.request));
  } catch (const std::bad_alloc&) {
    answer = ErrorResponse(OutOfMemory(), turn_.error_form);
  }
  if (auto* live = std::get_if<std::unique_ptr<LiveAnswer>>(&answer)) {
    live_ = true;
    usable = co_await RespondLive(std::move(*live));
    live_ = false;
  } else {
    HttpResponse response = std::move(std::get<HttpResponse>(answer));
    const MemoryCharge held = ChargeAnswer(&response);
    usable = co_await Respond(std::move(response));
  }
  co_return usable;
}

// A client that does not read keeps it here.
MemoryCharge Connection::ChargeAnswer(HttpResponse* response) const {
  if (context_.memory == nullptr || response->body.size() <= kFreeAnswerBytes) return {};
  absl::StatusOr<MemoryCharge> charge =
      context_.memory->Charge(MemoryPart::kAnswer, static_cast<int64_t>(response->body.size()));
  if (charge.ok()) return *std::move(charge);
  *response = ErrorResponse(charge.status(), turn_.error_form);
  return {};
}

asio::awaitable<bool> Connection::Respond(HttpResponse response) {
  if (context_.parting) turn_.keep_alive = false;
  if (turn_.request_id.empty()) turn_.request_id = NewRequestId();  // nothing of the request was read
  context_.metrics.OnHttpResponse(turn_.endpoint, response.status);
  response.headers.insert(response.headers.end(), turn_.answer_headers.begin(), turn_.answer_headers.end());
  constexpr size_t kShort = 32 << 10;  // worth copying, for the sake of one write
  Patience patience = AnswerPatience();
  std::string bytes = ResponseHead(response, turn_.request_id, Framing::kLength, turn_.keep_alive);
  if (!turn_.head_only && response.body.size() <= kShort) bytes += response.body;
  bool usable = WriteAtOnce(&bytes);
  if (!usable) usable = co_await Write(std::move(bytes), patience);
  if (usable && !turn_.head_only && response.body.size() > kShort) {
    usable = co_await Write(std::move(response.body), patience);
  }
  co_return usable;
}

asio::awaitable<bool> Connection::RespondLive(std::unique_ptr<LiveAnswer> answer) {
  wake_.Forget();  // what woke an answer before this one
  const auto waker = std::make_shared<Waker>(shared_from_this());
  answer->OnReady([waker] { waker->Wake(); });
  // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
  const Framing framing = turn_.http_1_0 ? Framing::kUntilClose : Framing::kChunked;
  const HttpLimits& limits = context_.limits;
  Patience patience = AnswerPatience();
  bool streaming = false, done = false;
  size_t told = 0;    // bytes
  std::string bytes;  // to be written
  const absl::Cleanup end = [&] { End(std::move(answer), done ? told : Disposer::kLarge); };
  while (!peer_closed_) {
    std::optional<HttpResponse> head;
    std::string body;
    LiveAnswer::Progress progress = LiveAnswer::Progress::kDone;
    try {
      progress = answer->Advance(&head, &body);
    } catch (const std::bad_alloc&) {
      if (streaming) throw;
      head = ErrorResponse(OutOfMemory(), turn_.error_form);
      body.clear();
    }
    done = progress == LiveAnswer::Progress::kDone;
    told += body.size();
    if (head && done && !streaming) {
      head->body += body;
      const bool usable = co_await Respond(*std::move(head));
      co_return usable;
    }
    if (head) {
      streaming = true;
      if (turn_.http_1_0 || context_.parting) turn_.keep_alive = false;
      context_.metrics.OnHttpResponse(turn_.endpoint, head->status);
      head->headers.insert(head->headers.end(), turn_.answer_headers.begin(), turn_.answer_headers.end());
      bytes = ResponseHead(*head, turn_.request_id, framing, turn_.keep_alive);
    }
    if (framing == Framing::kChunked) {
      AppendChunk(body, &bytes);
      if (done) bytes += kLastChunk;
    } else {
      bytes += body;
    }
    // What a stream begins with, its head mostly, waits a moment for its first text: of a short one that is all, and
    // goes in one write.
    const bool first = head && progress == LiveAnswer::Progress::kWaiting;
    // Who waits holds nothing but what is to be written.
    head.reset();
    body = std::string();
    if (first) {
      const bool woken = co_await wake_.WaitUntil(Event::Clock::now() + kFirstWait);
      if (woken) continue;
    }
    if (!WriteAtOnce(&bytes)) {
      const bool usable = co_await Write(std::exchange(bytes, {}), patience);
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

void Connection::End(std::unique_ptr<LiveAnswer> answer, size_t bytes) {
  if (context_.disposer == nullptr || bytes < Disposer::kLarge) return;
  std::shared_ptr<LiveAnswer> waste;
  try {
    waste = std::move(answer);
  } catch (const std::bad_alloc&) {
    return;  // it goes here
  }
  context_.disposer->Dispose(std::move(waste), bytes, {});
}

Patience Connection::AnswerPatience() const {
  return Patience(context_.limits.write_timeout, context_.limits.min_transfer_rate);
}

bool Connection::WriteAtOnce(std::string* bytes) {
  if (bytes->empty()) return true;
  error_code error;
  const size_t written = stream_->WriteNow(asio::buffer(*bytes), error);
  if (written < bytes->size()) {
    bytes->erase(0, written);
    return false;
  }
  *bytes = std::string();
  return true;
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
