// One connection of gRPC: its HTTP/2, its calls, and the time that it has.
//
// Two coroutines on one thread: one reads and hands bytes to the session, one writes what that has to send and watches
// the clocks in between. A request's headers decide over it: a call that may not be made is answered before a byte of
// its message is kept.
//
//   connected           handshake_timeout until TLS and the client's SETTINGS are there
//   no call             idle_timeout: GOAWAY, then closed
//   max_age             GOAWAY; calls that run have max_age_grace
//   message             read_timeout from the call's start, or the first byte of a stream's next message; bytes buy
//   more answer              write_timeout of waiting for the client, of the call's or of the connection's; bytes buy
//   more
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "server/common/client.h"
#include "server/config/grpc_limits.h"
#include "server/generate/service.h"
#include "server/grpc/call_stream.h"
#include "server/grpc/http2_session.h"
#include "server/grpc/methods.h"
#include "server/net/byte_stream.h"
#include "server/net/event.h"

namespace batucada {

// What all connections of a server share; outlives them.
struct GrpcContext {
  Service& service;
  const GrpcMethods& methods;
  GrpcLimits limits;
  Disposer* disposer = nullptr;      // frees what is large of calls that end; null: the connection's thread does
  std::atomic<bool> closing{false};  // no new calls; finish those that run, then close
};

// Used on its executor's thread only, except for the constructor and what is said to be thread-safe.
class GrpcConnection : public std::enable_shared_from_this<GrpcConnection>, private Http2Session::Events {
 public:
  // `client`: who is at the other end, without a key. `on_end` is called from the destructor.
  GrpcConnection(std::unique_ptr<ByteStream> stream, GrpcContext& context, Client client, std::function<void()> on_end);
  ~GrpcConnection() override;

  // Starts both coroutines, which keep this alive until the connection ends.
  void Start();
  // GrpcContext::closing was set.
  void NoticeClosing();
  // Ends at once.
  void Close();
  // Thread-safe: it has made no call yet that was let in.
  bool untried() const { return untried_; }
  boost::asio::any_io_executor executor() { return stream_->executor(); }

 private:
  template <typename T>
  using awaitable = boost::asio::awaitable<T>;
  using Calls = std::map<int32_t, std::shared_ptr<CallStream>>;

  void OnRequest(int32_t stream, Http2Headers headers, bool too_large) override;
  void OnData(int32_t stream, std::string_view bytes) override;
  void OnEnd(int32_t stream) override;
  void OnDrained(int32_t stream) override;
  void OnClosed(int32_t stream) override;

  awaitable<void> ReadLoop(std::shared_ptr<GrpcConnection> self);
  awaitable<void> ReadOn();
  awaitable<void> WriteLoop(std::shared_ptr<GrpcConnection> self);
  awaitable<bool> Write(const std::string& bytes);
  awaitable<void> Part();
  // Does what is due, and says when to look again.
  absl::Time CheckClocks(absl::Time now);
  void CheckCalls(absl::Time now);
  void Leave();
  void MeanIt(absl::Time now);
  void BePatient(absl::Duration duration);
  // Answers a request that becomes no call.
  void Refuse(int32_t stream, const GrpcMethod* method, const RequestOrigin& origin, const absl::Status& status);
  std::shared_ptr<CallStream> Find(int32_t stream);
  // Calls that run and need no key.
  int OpenCalls() const;

  std::unique_ptr<ByteStream> stream_;
  GrpcContext& context_;
  const Client client_;
  std::function<void()> on_end_;
  Http2Session session_;
  Calls calls_;

  boost::asio::steady_timer patience_;  // closes a connection whose other side keeps a write waiting
  Patience write_patience_;
  Event work_;  // the session may have something to send, or a clock has changed
  Event room_;  // something was sent
  boost::beast::flat_buffer inbox_;
  absl::Time opened_, idle_since_;
  absl::Time checked_ = absl::InfinitePast();     // when CheckCalls was called last
  absl::Time notice_until_;                       // while leaving: when it is meant
  absl::Time leave_by_ = absl::InfiniteFuture();  // when calls that still run are broken off
  bool receiving_ = true;                         // the session takes more
  bool closed_ = false;
  bool leaving_ = false;  // said that it will take no more calls
  bool left_ = false;     // and meant it
  std::atomic<bool> untried_{true};
};

}  // namespace batucada
