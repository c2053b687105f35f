#include "server/net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "server/net/descriptors.h"
#include "server/net/no_throw.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// For a newcomer's first bytes. Nearly everybody sends them with the connection.
constexpr auto kFirstBytes = std::chrono::milliseconds(10);
// Who wait for that at once; others are passed on without them.
constexpr size_t kMostAtDoor = 256;
// Between two tries to accept a connection where the process has no descriptor for it.
constexpr auto kAcceptRetry = std::chrono::milliseconds(10), kLazyRetry = std::chrono::milliseconds(100);
// Between two lines in the log about it.
constexpr absl::Duration kWarnEvery = absl::Seconds(10);

// What the kernel keeps of an answer that the client's side does not take yet. Without a bound it keeps megabytes for
// each client that hardly reads, and nobody would notice that it hardly does.
constexpr int kMaxUnsentBytes = 32 << 10;

// Best effort: an answer does not depend on it.
void Tune(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  (void)setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsentBytes, sizeof kMaxUnsentBytes);
}

// The same connection on another loop.
tcp::socket Move(tcp::socket& socket, const tcp& protocol, asio::io_context& loop) {
  tcp::socket moved(loop);
  const int descriptor = socket.release();
  error_code error;
  moved.assign(protocol, descriptor, error);
  if (error) {
    close(descriptor);
    throw boost::system::system_error(error);
  }
  return moved;
}

}  // namespace

Listener::Listener(Options options, Door& door)
    : options_(std::move(options)), door_(door), acceptor_(door.context()), retry_(door.context()) {}

absl::Status Listener::Listen() {
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
    const tcp::endpoint bound = acceptor_.local_endpoint(error);
    port_ = bound.port();
    protocol_ = bound.protocol();
    return absl::OkStatus();
  }
  return absl::UnavailableError(fmt::format("cannot listen for {} on {}:{}: {}; {}", options_.protocol, options_.host,
                                            options_.port, error.message(), options_.advice));
}

void Listener::Start(Owner owner) {
  owner_ = std::move(owner);
  asio::co_spawn(acceptor_.get_executor(), Accept(shared_from_this()), asio::detached);
}

void Listener::Stop() {
  asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
    error_code ignored;
    self->acceptor_.close(ignored);
    self->retry_.cancel();
  });
}

asio::awaitable<void> Listener::Accept(std::shared_ptr<Listener>) {
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
  // Those at the door have sent nothing yet: they are not kept waiting, nor let in.
  while (at_door_ > 0) {
    retry_.expires_after(kFirstBytes);
    co_await retry_.async_wait(kNoThrow);
  }
  std::exchange(owner_, {}).stopped();
}

asio::awaitable<void> Listener::AcceptOne() {
  auto newcomer = std::make_shared<tcp::socket>(acceptor_.get_executor());
  auto [error] = co_await acceptor_.async_accept(*newcomer, kNoThrow);
  if (!acceptor_.is_open()) co_return;
  Room room = Room::kUsual;
  if (error) {  // out of file descriptors, most likely
    WarnOfScarcity(error.message());
    if (options_.reserve == Options::Reserve::kKeptDescriptors) {
      const KeptDescriptors kept;
      room = Room::kScarce;
      acceptor_.accept(*newcomer, error);
    }
  }
  if (error) {
    if (error != asio::error::would_block) owner_.make_room();
    retry_.expires_after(options_.reserve == Options::Reserve::kNone ? kLazyRetry : kAcceptRetry);
    co_await retry_.async_wait(kNoThrow);
    co_return;
  }
  if (room == Room::kUsual && at_door_ < MostAtDoor()) {
    asio::co_spawn(acceptor_.get_executor(), Receive(shared_from_this(), std::move(newcomer), room), asio::detached);
  } else {
    PassOn(*newcomer, room);
  }
}

asio::awaitable<void> Listener::Receive(std::shared_ptr<Listener>, std::shared_ptr<tcp::socket> newcomer, Room room) {
  ++at_door_;
  try {
    asio::steady_timer moment(acceptor_.get_executor(), kFirstBytes);
    moment.async_wait([newcomer](error_code cancelled) {
      error_code ignored;  // he may have been passed on just now
      if (!cancelled) newcomer->cancel(ignored);
    });
    co_await newcomer->async_wait(tcp::socket::wait_read, kNoThrow);
    moment.cancel();
    if (acceptor_.is_open()) PassOn(*newcomer, room);
  } catch (const std::exception& exception) {  // no memory for a connection, most likely
    spdlog::error("a connection could not be accepted: {}", exception.what());
  }
  --at_door_;
}

void Listener::PassOn(tcp::socket& newcomer, Room room) {
  Tune(newcomer);
  Door::Seat seat = door_.TakeSeat();
  tcp::socket socket = Move(newcomer, protocol_, *seat.loop);
  owner_.admit(std::move(socket), std::move(seat), room);
}

size_t Listener::MostAtDoor() const {
  constexpr int64_t kPart = 8;
  return std::min(kMostAtDoor, static_cast<size_t>(DescriptorLimit() / kPart));
}

void Listener::WarnOfScarcity(const std::string& why) {
  const absl::Time now = ProcessNow();
  if (now < next_warning_) return;
  next_warning_ = now + kWarnEvery;
  spdlog::warn("cannot accept a connection: {}; idle ones are closed for new ones", why);
}

}  // namespace batucada
