// One TCP connection to the server. An operation after Close, or past the deadline, ends with operation_aborted.
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
  auto Read(boost::asio::mutable_buffer room) { return socket_.async_read_some(room, kNoThrow); }
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
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer deadline_;
  // Which deadline counts: one whose time came while it was being cleared finds another number, or none.
  std::shared_ptr<uint64_t> current_ = std::make_shared<uint64_t>(0);
  bool past_deadline_ = false;
};

}  // namespace batucada::loadtest
