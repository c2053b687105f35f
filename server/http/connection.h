// One HTTP/1.1 connection: bytes in, requests out, answers back, in order.
//
// Two coroutines on one thread. The reader always has a read outstanding, so a client that goes away is noticed even
// while its answer is being computed; it fills a bounded inbox and waits when that is full. The server parses requests
// from the inbox, asks the router, and writes. An answer that is worked on (LiveAnswer) is destroyed as soon as the
// client is gone; a client that closes only its sending side during one counts as gone. Requests that are sent ahead
// are answered one a turn of the thread, so that its other connections wait for one of them and not for all.
//
//   no request yet    idle_timeout    closed silently; before that if others need its place (ConnectionQueue)
//   headers           read_timeout    408
//   body              read_timeout, and a second for every min_transfer_rate bytes (patience.h)    408
//   too large         limits          431 headers, 413 body
//   no memory         request memory  429 or 413; what is sent ahead of an answer waits
//   answer            write_timeout of waiting for the client, and a second for every min_transfer_rate bytes: closed
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>

#include "server/config/server_config.h"
#include "server/http/connection_queue.h"
#include "server/http/framing.h"
#include "server/http/gate.h"
#include "server/http/http.h"
#include "server/http/router.h"
#include "server/memory/account.h"
#include "server/memory/disposer.h"
#include "server/net/byte_stream.h"
#include "server/net/event.h"
#include "server/net/patience.h"
#include "server/telemetry/metrics.h"

namespace batucada {

// What all connections of a server share; outlives them.
struct ConnectionContext {
  const Router& router;
  const Gate& gate;
  Metrics& metrics;
  MemoryAccount* memory = nullptr;  // bodies, long heads and answers are charged to it; null: to none
  Disposer* disposer = nullptr;     // frees large bodies and answers; null: the connection's thread does
  HttpLimits limits;
  std::atomic<bool> parting{false};  // every answer ends its connection, so that clients look elsewhere
  std::atomic<bool> closing{false};  // answer what is there, then close
  ConnectionQueue idle;              // those without a whole request: closed first where there are too many
  ConnectionQueue spare;             // those past the limit, which are there for health
};

// Used on its executor's thread only, except for the constructor.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum class Admission : uint8_t {
    kServe,
    kSpare,  // there is no room: one request, which is answered if it is about health, and with 503 else
  };

  // `client` is who is at the other end, as far as that is known yet. `on_end` is called from the destructor.
  Connection(std::unique_ptr<ByteStream> stream, ConnectionContext& context, Client client,
             std::function<void()> on_end);
  ~Connection();

  // Before Start, on any thread: from now on it may have to make room for others.
  void TakePlace(Admission admission);
  // Starts both coroutines, which keep this alive until the connection ends.
  void Start();
  // ConnectionContext::closing was set.
  void NoticeClosing() { arrived_.Notify(); }
  // Ends at once.
  void Close();
  // Ends, unless a request has come since this was taken from the queue of idle connections.
  void MakeRoom();
  boost::asio::any_io_executor executor() { return stream_->executor(); }

 private:
  // What is charged to nobody: of the inbox, and of an answer, which the kernel mostly takes at once.
  static constexpr size_t kFreeInboxBytes = 4 << 10, kFreeAnswerBytes = 32 << 10;

  template <typename T>
  using awaitable = boost::asio::awaitable<T>;
  class Waker;
  // One request and its answer.
  struct Turn {
    HttpRequest request;  // until its handler takes it
    Router::Match match;  // where it goes
    std::string request_id;
    ErrorForm error_form = ErrorForm::kOpenAi;  // of what goes wrong before a handler has the request
    std::string_view endpoint = "none";         // for metrics
    bool http_1_0 = false;
    bool head_only = false;  // a HEAD request: the answer's body stays here
    Headers answer_headers;
    HttpResponse response;   // without a handler's: see Intake
    bool keep_alive = true;  // after the answer
  };
  enum class Read : uint8_t { kData, kClosed, kTimeout };
  // kAnswered: turn_.response holds the answer already; kRejected: likewise, and the rest of the request is not read.
  enum class Intake : uint8_t { kRequest, kAnswered, kRejected, kClosed };

  awaitable<void> ReadLoop(std::shared_ptr<Connection> self);
  awaitable<void> ReadOn();
  awaitable<void> Serve(std::shared_ptr<Connection> self);
  awaitable<bool> Open();
  awaitable<void> ServeRequests();
  awaitable<bool> Dispatch();
  // Takes from a head, or as much of it as there is, how to answer: the id and the form of errors.
  void Recognise(const boost::beast::http::request_header<>& head);
  // The head of a request is there: fills the turn.
  Intake AcceptHead(const boost::beast::http::request_header<>& head);
  void BePatient(absl::Duration duration);
  void BeginIdling();
  void EndIdling();

  std::string_view InboxBytes() const { return {static_cast<const char*>(inbox_.data().data()), inbox_.size()}; }
  // Waits until the inbox holds more than `seen` bytes.
  awaitable<Read> ReadMore(size_t seen, Event::Clock::time_point deadline);
  awaitable<Read> AwaitRequest();   // the first byte of the next one
  awaitable<Intake> ReadRequest();  // fills the turn
  Intake Reject(int status, std::string_view message, std::string_view code);
  Intake Reject(const FramingFault& fault);
  Intake RejectLate(std::string_view part);        // 408: the request's `part` took too long
  awaitable<bool> Respond(HttpResponse response);  // false: the connection is broken
  awaitable<bool> RespondLive(std::unique_ptr<LiveAnswer> answer);
  // Charges an answer that is there whole, where it is long, or makes it say that there is no room.
  MemoryCharge ChargeAnswer(HttpResponse* response) const;
  // Charges the inbox, where it holds more than little, and `more` bytes that are to come.
  absl::Status ChargeInbox(size_t more = 0);
  // Charges what has come of the request's body.
  absl::Status ChargeBody(const std::string& body, std::optional<uint64_t> length);
  void Drop(std::string body);
  // Of an answer that is done, of so many bytes, or whose client is gone: it may hold millions of tokens.
  void End(std::unique_ptr<LiveAnswer> answer, size_t bytes);
  Patience AnswerPatience() const;
  // What the kernel takes without waiting, which is nearly always all: true then, else the rest is left for Write.
  bool WriteAtOnce(std::string* bytes);
  // False: the connection is broken, or its other side has used up the patience that there is with the answer.
  awaitable<bool> Write(std::string bytes, Patience& patience);
  awaitable<void> CloseGently();  // lets the client read the last answer before the connection is reset

  std::unique_ptr<ByteStream> stream_;
  ConnectionContext& context_;
  const Client client_;
  std::function<void()> on_end_;
  boost::asio::steady_timer patience_;  // closes a connection whose other side keeps a write or a greeting waiting

  boost::beast::flat_buffer inbox_;  // read, not yet parsed
  MemoryCharge inbox_memory_;        // for it
  bool peer_closed_ = false;         // nothing more will be read
  bool live_ = false;                // a LiveAnswer is being served
  bool spare_ = false;               // see Admission
  std::optional<ConnectionQueue::Place> idle_place_, spare_place_;
  Event arrived_;  // inbox_ grew, or peer_closed_, or closing
  Event room_;     // inbox_ shrank
  Event wake_;     // a LiveAnswer has something, or peer_closed_

  Turn turn_;
};

}  // namespace batucada
