#include "server/http/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/status.h"
#include "server/http/connection.h"
#include "server/net/descriptors.h"

namespace batucada {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Connections past the limit, which are there for health (Connection::Admission::kSpare); past it the oldest of them is
// closed without a word. Each needs its place for a millisecond.
constexpr size_t kMaxSpare = 64;

// Between two tries to accept a connection where the process has no descriptor for it.
constexpr auto kAcceptRetry = std::chrono::milliseconds(10);
// Between two lines in the log about it.
constexpr absl::Duration kWarnEvery = absl::Seconds(10);

// What the kernel keeps of an answer that the client's side does not take yet. Without a bound it keeps megabytes for
// each client that hardly reads, and nobody would notice that it hardly does.
constexpr int kMaxUnsentBytes = 32 << 10;

// Best effort: an answer does not depend on it.
void Tune(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  (void)setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsentBytes, sizeof kMaxUnsentBytes);
}

// Whether there is a descriptor for everybody.
enum class Room : uint8_t { kUsual, kScarce };

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const Options& options, const Router& router, const Gate& gate, IoPool& pool, Metrics& metrics)
      : options_(options), pool_(pool), metrics_(metrics), context_{.router = router,
                                                                    .gate = gate,
                                                                    .metrics = metrics,
                                                                    .memory = options.memory,
                                                                    .limits = options.limits},
        acceptor_(pool.NextContext()), retry_(acceptor_.get_executor()) {}

  absl::Status Listen() {
    error_code error;
    tcp::resolver resolver(acceptor_.get_executor());
    const auto found = resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
    if (!error && found.empty()) error = asio::error::host_not_found;
    if (!error) {
      const tcp::endpoint endpoint = found.begin()->endpoint();
      acceptor_.open(endpoint.protocol(), error);
      if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
      if (!error) acceptor_.bind(endpoint, error);
      if (!error) acceptor_.non_blocking(true, error);
      if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (!error) {
      port_ = acceptor_.local_endpoint(error).port();
      return absl::OkStatus();
    }
    const std::string_view advice = error == asio::error::address_in_use ? "choose another with" : "see --host and";
    return absl::UnavailableError(fmt::format("cannot listen for HTTP on {}:{}: {}; {} --{}", options_.host,
                                              options_.port, error.message(), advice, options_.flag));
  }

  void Start() { asio::co_spawn(acceptor_.get_executor(), Accept(shared_from_this()), asio::detached); }

  void StopKeepingAlive() { context_.parting = true; }

  void StopAccepting() {
    context_.parting = true;
    context_.closing = true;
    asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
      self->retry_.cancel();
    });
    ForEach([](Connection& connection) { connection.NoticeClosing(); });
  }

  void CloseAll() {
    ForEach([](Connection& connection) { connection.Close(); });
  }

  bool WaitUntilClosed(absl::Time deadline) {
    std::unique_lock lock(mutex_);
    const auto closed = [this] { return open_ == 0 && !accepting_; };
    if (deadline != absl::InfiniteFuture()) {
      return ended_.wait_for(lock, absl::ToChronoMilliseconds(deadline - ProcessNow()), closed);
    }
    ended_.wait(lock, closed);
    return true;
  }

  int32_t port() const { return port_; }

 private:
  asio::awaitable<void> Accept(std::shared_ptr<Impl>) {
    while (acceptor_.is_open()) {
      bool failed = false;
      try {
        co_await AcceptOne();
      } catch (const std::exception& exception) {  // no memory for a connection, most likely
        spdlog::error("a connection could not be accepted: {}", exception.what());
        failed = true;
      }
      if (failed) std::this_thread::sleep_for(kAcceptRetry);
    }
    const std::lock_guard lock(mutex_);
    accepting_ = false;
    ended_.notify_all();
  }

  asio::awaitable<void> AcceptOne() {
    asio::io_context& loop = pool_.NextContext();
    tcp::socket socket(loop);
    auto [error] = co_await acceptor_.async_accept(socket, asio::as_tuple(asio::use_awaitable));
    if (!acceptor_.is_open()) co_return;
    Room room = Room::kUsual;
    if (error) {  // out of file descriptors, most likely
      WarnOfScarcity(error);
      const KeptDescriptors kept;
      room = Room::kScarce;
      acceptor_.accept(socket, error);
    }
    if (error) {
      if (error != asio::error::would_block) MakeRoom();
      retry_.expires_after(kAcceptRetry);
      co_await retry_.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return;
    }
    Admit(std::move(socket), loop, room);
  }

  void WarnOfScarcity(const error_code& error) {
    const absl::Time now = ProcessNow();
    if (now < next_warning_) return;
    next_warning_ = now + kWarnEvery;
    spdlog::warn("cannot accept a connection: {}; idle ones are closed for new ones", error.message());
  }

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
    bool crowded = false;
    {
      const std::lock_guard lock(mutex_);
      crowded = ++spare_ > kMaxSpare;
    }
    if (crowded) CloseOldest(context_.spare);
    return Connection::Admission::kSpare;
  }

  void Admit(tcp::socket socket, asio::io_context& loop, Room room) {
    const Connection::Admission admission = Decide(room);
    const bool spare = admission == Connection::Admission::kSpare;
    {
      const std::lock_guard lock(mutex_);
      ++open_;
      CountOpen();
    }
    const uint64_t id = next_id_++;
    Tune(socket);
    error_code ignored;
    const tcp::endpoint peer = socket.remote_endpoint(ignored);
    const Client client = ClientAt(peer.address().to_string(), peer.port());
    auto stream =
        options_.tls == nullptr ? MakePlainStream(std::move(socket)) : MakeTlsStream(std::move(socket), *options_.tls);
    auto connection =
        std::make_shared<Connection>(std::move(stream), context_, client, [this, id, spare] { End(id, spare); });
    {
      const std::lock_guard lock(mutex_);
      connections_.emplace(id, connection);
    }
    asio::post(loop, [connection = std::move(connection), admission] { connection->Start(admission); });
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

  // On each connection's own thread.
  template <typename Action>
  void ForEach(Action action) {
    std::vector<std::shared_ptr<Connection>> live;  // released without the lock: the last to go calls End
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, weak] : connections_) {
        if (auto connection = weak.lock()) live.push_back(std::move(connection));
      }
    }
    for (std::shared_ptr<Connection>& connection : live) {
      const asio::any_io_executor executor = connection->executor();
      asio::post(executor, [connection = std::move(connection), action] { action(*connection); });
    }
  }

  const Options options_;
  IoPool& pool_;
  Metrics& metrics_;
  ConnectionContext context_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  int32_t port_ = 0;
  // The accepting coroutine's.
  uint64_t next_id_ = 0;
  absl::Time next_warning_ = absl::InfinitePast();

  std::mutex mutex_;
  std::condition_variable ended_;
  size_t open_ = 0;
  size_t spare_ = 0;  // of them, past the limit
  bool accepting_ = true;
  std::map<uint64_t, std::weak_ptr<Connection>> connections_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options, const Router& router,
                                                              const Gate& gate, IoPool& pool, Metrics& metrics) {
  auto impl = std::make_shared<Impl>(options, router, gate, pool, metrics);
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
void HttpServer::StopKeepingAlive() { impl_->StopKeepingAlive(); }
void HttpServer::StopAccepting() { impl_->StopAccepting(); }
bool HttpServer::WaitUntilClosed(absl::Time deadline) { return impl_->WaitUntilClosed(deadline); }

}  // namespace batucada
