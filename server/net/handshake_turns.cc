#include "server/net/handshake_turns.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "server/net/no_throw.h"

namespace batucada {
namespace {

namespace asio = boost::asio;

constexpr int kAtOnce = 8;
constexpr auto kLongest = std::chrono::milliseconds(100);
constexpr auto kLookAgain = std::chrono::milliseconds(10), kLookSeldom = std::chrono::milliseconds(640);

// Whether no more will come, whatever lies there unread.
bool Ended(int descriptor) {
  pollfd look = {.fd = descriptor, .events = POLLRDHUP, .revents = 0};
  return poll(&look, 1, 0) == 1;
}

}  // namespace

class HandshakeTurn::State {
 public:
  explicit State(asio::any_io_executor executor) : timer_(std::move(executor)) {}

  // Whether it has its turn at once.
  bool Begin() {
    if (loop_.taken >= kAtOnce) {
      at_ = loop_.waiting.insert(loop_.waiting.end(), this);
      waits_ = true;
      timer_.expires_at(asio::steady_timer::time_point::max());
      return false;
    }
    ++loop_.taken;
    has_turn_ = true;
    return true;
  }

  void GiveBack() {
    if (waits_) loop_.waiting.erase(at_);
    waits_ = false;
    if (!has_turn_) return;
    has_turn_ = false;
    --loop_.taken;
    if (loop_.waiting.empty()) return;
    State* const next = loop_.waiting.front();
    loop_.waiting.pop_front();
    next->waits_ = false;
    next->has_turn_ = true;
    ++loop_.taken;
    next->timer_.cancel();
  }

  asio::steady_timer& timer() { return timer_; }

 private:
  struct Loop {
    int taken = 0;
    std::list<State*> waiting;
  };
  static thread_local Loop loop_;

  asio::steady_timer timer_;
  std::list<State*>::iterator at_;
  bool waits_ = false;
  bool has_turn_ = false;
};

thread_local HandshakeTurn::State::Loop HandshakeTurn::State::loop_;

HandshakeTurn::HandshakeTurn(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

HandshakeTurn::~HandshakeTurn() {
  state_->GiveBack();
  state_->timer().cancel();
}

asio::awaitable<void> HandshakeTurn::Take() {
  if (!state_->Begin()) co_await state_->timer().async_wait(kNoThrow);  // ended by whoever gives a turn back
  state_->timer().expires_after(kLongest);
  state_->timer().async_wait([state = state_](boost::system::error_code error) {
    if (!error) state->GiveBack();
  });
}

asio::awaitable<void> WaitForHello(asio::ip::tcp::socket& socket, asio::steady_timer& pause) {
  constexpr size_t kHeader = 5, kLongestRecord = 16 << 10;
  constexpr uint8_t kHandshake = 22;  // RFC 8446, 5.1: type, version, length
  auto next_look = kLookAgain;
  while (true) {
    auto [failed] = co_await socket.async_wait(asio::socket_base::wait_read, kNoThrow);
    std::array<uint8_t, kHeader> header{};
    const ssize_t size = recv(socket.native_handle(), header.data(), header.size(), MSG_PEEK | MSG_DONTWAIT);
    if (failed || size <= 0 || header[0] != kHandshake) co_return;
    if (static_cast<size_t>(size) == kHeader) {
      boost::system::error_code error;
      const size_t record = std::min(kLongestRecord, static_cast<size_t>(header[3] << 8 | header[4]));
      const size_t there = socket.available(error);
      if (error || there >= kHeader + record) co_return;
    }
    if (Ended(socket.native_handle())) co_return;
    pause.expires_after(next_look);
    next_look = std::min(2 * next_look, kLookSeldom);
    co_await pause.async_wait(kNoThrow);
  }
}

}  // namespace batucada
