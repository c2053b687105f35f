#include "server/http/http_server.h"

#include <mutex>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/status.h"
#include "server/http/connection.h"
#include "server/net/connection_book.h"
#include "server/net/listener.h"

namespace batucada {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Connections past the limit, which are there for health (Connection::Admission::kSpare); past it the oldest of them is
// closed without a word. Each needs its place for a millisecond.
constexpr size_t kMaxSpare = 64;

struct HttpPlace {
  HttpPlace(std::weak_ptr<Connection> taken_by) : connection(std::move(taken_by)) {}
  std::weak_ptr<Connection> connection;
};

class HttpServer::Impl : public ConnectionBook<Connection, HttpPlace>, public std::enable_shared_from_this<Impl> {
 public:
  Impl(const Options& options, const Router& router, const Gate& gate, Door& door, Metrics& metrics)
      : options_(options), metrics_(metrics), context_{.router = router,
                                                       .gate = gate,
                                                       .metrics = metrics,
                                                       .memory = options.memory,
                                                       .disposer = options.disposer,
                                                       .limits = options.limits},
        listener_(std::make_shared<Listener>(
            Listener::Options{.host = options.host,
                              .port = options.port,
                              .protocol = "HTTP",
                              .advice = "choose another with --" + options.flag + ", or see --host",
                              .reserve = Listener::Options::Reserve::kKeptDescriptors},
            door)) {}

  absl::Status Listen() { return listener_->Listen(); }

  void Start() {
    const auto self = shared_from_this();
    listener_->Start({.admit = [self](tcp::socket socket, Door::Seat seat,
                                      Room room) { self->Admit(std::move(socket), std::move(seat), room); },
                      .make_room = [self] { self->MakeRoom(); },
                      .stopped = [self] { self->NoteStopped(); }});
  }

  void StopKeepingAlive() { context_.parting = true; }

  void StopAccepting() {
    context_.parting = true;
    context_.closing = true;
    listener_->Stop();
    ForEach([](Connection& connection) { connection.NoticeClosing(); });
  }

  void CloseAll() {
    ForEach([](Connection& connection) { connection.Close(); });
  }

  int32_t port() const { return listener_->port(); }

 private:
  // Closes the connection that needs its place least. False if none can be closed.
  bool MakeRoom() {
    for (ConnectionQueue* queue : {&context_.idle, &context_.spare}) {
      if (CloseOldest(*queue)) return true;
    }
    return false;
  }

  bool CloseOldest(ConnectionQueue& queue) {
    std::shared_ptr<Connection> oldest = queue.TakeOldest();
    if (oldest == nullptr) return false;
    if (options_.counted) metrics_.OnConnectionEvicted();
    const asio::any_io_executor executor = oldest->executor();
    asio::post(executor, [oldest = std::move(oldest)] { oldest->MakeRoom(); });
    return true;
  }

  // How the one who comes next is let in.
  Connection::Admission Decide(Room room) {
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      full = open_ >= static_cast<size_t>(options_.limits.max_connections);
    }
    if ((!full && room == Room::kUsual) || CloseOldest(context_.idle)) return Connection::Admission::kServe;
    return Connection::Admission::kSpare;
  }

  void Admit(tcp::socket socket, Door::Seat seat, Room room) {
    const Connection::Admission admission = Decide(room);
    const uint64_t id = next_id_++;
    const std::shared_ptr<void> place = Enter(id, admission == Connection::Admission::kSpare);
    error_code ignored;
    const tcp::endpoint peer = socket.remote_endpoint(ignored);
    const Client client = ClientAt(peer.address().to_string(), peer.port());
    asio::io_context& loop = *seat.loop;
    auto stream =
        options_.tls == nullptr ? MakePlainStream(std::move(socket)) : MakeTlsStream(std::move(socket), *options_.tls);
    auto connection = std::make_shared<Connection>(std::move(stream), context_, client, [place, taken = seat.taken] {});
    {
      const std::lock_guard lock(mutex_);
      connections_.emplace(id, connection);
    }
    // At once, and not when the loop comes to it: of many who come together the first make room for the last.
    connection->TakePlace(admission);
    asio::post(loop, [connection = std::move(connection)] { connection->Start(); });
  }

  // Counts one more, until what is returned is gone: with its connection, or because there is none after all.
  std::shared_ptr<void> Enter(uint64_t id, bool spare) {
    bool crowded = false;
    {
      const std::lock_guard lock(mutex_);
      ++open_;
      crowded = spare && ++spare_ > kMaxSpare;
      CountOpen();
    }
    std::shared_ptr<void> place(nullptr, [this, id, spare](void*) { End(id, spare); });
    if (crowded) CloseOldest(context_.spare);
    return place;
  }

  void End(uint64_t id, bool spare) {
    const std::lock_guard lock(mutex_);
    connections_.erase(id);
    --open_;
    if (spare) --spare_;
    CountOpen();
    ended_.notify_all();
  }

  void CountOpen() {  // REQUIRES: mutex_ is held
    if (options_.counted) metrics_.SetHttpConnections(static_cast<int64_t>(open_));
  }

  const Options options_;
  Metrics& metrics_;
  ConnectionContext context_;
  const std::shared_ptr<Listener> listener_;
  uint64_t next_id_ = 0;  // the door thread's

  size_t spare_ = 0;  // of those that are open, past the limit
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options, const Router& router,
                                                              const Gate& gate, Door& door, Metrics& metrics) {
  auto impl = std::make_shared<Impl>(options, router, gate, door, metrics);
  BATUCADA_RETURN_IF_ERROR(impl->Listen());
  impl->Start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->StopAccepting();
  impl_->CloseAll();
  impl_->WaitUntilClosed(absl::InfiniteFuture());
}

int32_t HttpServer::port() const { return impl_->port(); }
int64_t HttpServer::open_connections() const { return impl_->open_connections(); }
void HttpServer::StopKeepingAlive() { impl_->StopKeepingAlive(); }
void HttpServer::StopAccepting() { impl_->StopAccepting(); }
bool HttpServer::WaitUntilClosed(absl::Time deadline) { return impl_->WaitUntilClosed(deadline); }

}  // namespace batucada
