// Turns for the part of a TLS handshake that takes time: a signature is about a millisecond of a loop that everybody's
// open connections share. A few handshakes of a loop are under way at once; whoever does not go on with one in a tenth
// of a second keeps nobody waiting for it.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace batucada {

// One handshake's turn; gives it back when it goes. Used by the thread of one loop, which is the executor's.
class HandshakeTurn {
 public:
  explicit HandshakeTurn(boost::asio::any_io_executor executor);
  ~HandshakeTurn();
  HandshakeTurn(const HandshakeTurn&) = delete;
  HandshakeTurn& operator=(const HandshakeTurn&) = delete;

  // Waits until it is this one's turn, in order of arrival.
  boost::asio::awaitable<void> Take();

 private:
  class State;
  std::shared_ptr<State> state_;
};

// Waits until the first TLS record, the ClientHello, is there as a whole, or what came is none, or no more will come:
// what comes byte by byte takes no turn. Reads nothing. `pause` is what it waits with, of the socket's loop: whoever
// closes the socket cancels that, too.
boost::asio::awaitable<void> WaitForHello(boost::asio::ip::tcp::socket& socket, boost::asio::steady_timer& pause);

}  // namespace batucada
