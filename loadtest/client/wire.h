// One connection to the server, through TLS where its URL says so. An operation after Close, or past the deadline, ends
// with operation_aborted.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "loadtest/client/target.h"
#include "loadtest/clock.h"

namespace batucada::loadtest {

using boost::system::error_code;
template <typename T>
using Task = boost::asio::awaitable<T>;

inline constexpr auto kNoThrow = boost::asio::as_tuple(boost::asio::use_awaitable);

// On the thread of its context only.
class Wire {
 public:
  explicit Wire(boost::asio::io_context& context);

  // `receive_buffer`: bytes that the kernel keeps for a reader that is late; 0: as it likes.
  Task<error_code> Connect(const Target& target, int receive_buffer = 0);
  Task<error_code> Write(std::string_view bytes);
  // Not a coroutine of its own: this is awaited once per token.
  Task<std::tuple<error_code, size_t>> Read(boost::asio::mutable_buffer room) {
    return tls_ ? tls_->async_read_some(room, kNoThrow) : socket_.async_read_some(room, kNoThrow);
  }
  // Whether an error of Read is the server's end of the connection. TLS has an end of its own, which many leave out.
  static bool IsEnd(const error_code& error);
  void EndWriting();
  // Close will be a reset, and not the orderly end.
  void ResetOnClose();
  void Close();

  // Closes the wire when `when` comes, whatever is under way. One deadline at a time.
  void SetDeadline(TimePoint when);
  void ClearDeadline();
  bool past_deadline() const { return past_deadline_; }
  // True if it is connected and the server has neither closed it nor said anything unasked.
  bool Idle();

  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  Task<error_code> ShakeHands(const Target& target);

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;  // null: plain
  boost::asio::steady_timer deadline_;
  // Which deadline counts: one whose time came while it was being cleared finds another number, or none.
  std::shared_ptr<uint64_t> current_ = std::make_shared<uint64_t>(0);
  bool past_deadline_ = false;
};

}  // namespace batucada::loadtest
