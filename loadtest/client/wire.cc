#include "loadtest/client/wire.h"

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

namespace batucada::loadtest {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;

Wire::Wire(asio::io_context& context) : socket_(context), deadline_(context) {}

Task<error_code> Wire::Connect(const Target& target, int receive_buffer) {
  error_code last = asio::error::host_not_found;
  for (const tcp::endpoint& endpoint : target.endpoints) {
    error_code ignored;
    socket_.close(ignored);
    if (receive_buffer > 0) {  // before the window is agreed on
      socket_.open(endpoint.protocol(), ignored);
      socket_.set_option(tcp::socket::receive_buffer_size(receive_buffer), ignored);
    }
    auto [error] = co_await socket_.async_connect(endpoint, kNoThrow);
    last = error;
    if (error == asio::error::operation_aborted) break;
    if (error) continue;
    socket_.set_option(tcp::no_delay(true), ignored);
    if (target.tls) last = co_await ShakeHands(target);
    break;
  }
  co_return last;
}

Task<error_code> Wire::ShakeHands(const Target& target) {
  tls_ = std::make_unique<ssl::stream<tcp::socket&>>(socket_, *target.tls);
  SSL_set_tlsext_host_name(tls_->native_handle(), target.host.c_str());
  tls_->set_verify_callback(ssl::host_name_verification(target.host));
  auto [error] = co_await tls_->async_handshake(ssl::stream_base::client, kNoThrow);
  co_return error;
}

Task<error_code> Wire::Write(std::string_view bytes) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  auto write = tls_ ? asio::async_write(*tls_, buffer, kNoThrow) : asio::async_write(socket_, buffer, kNoThrow);
  auto [error, written] = co_await std::move(write);
  co_return error;
}

bool Wire::IsEnd(const error_code& error) { return error == asio::error::eof || error == ssl::error::stream_truncated; }

void Wire::EndWriting() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Wire::ResetOnClose() {
  error_code ignored;
  socket_.set_option(tcp::socket::linger(true, 0), ignored);
}

void Wire::Close() {
  error_code ignored;
  socket_.close(ignored);
  ClearDeadline();
}

void Wire::SetDeadline(TimePoint when) {
  past_deadline_ = false;
  deadline_.expires_at(when);
  deadline_.async_wait([this, weak = std::weak_ptr(current_), number = ++*current_](error_code) {
    const auto current = weak.lock();
    if (current == nullptr || *current != number) return;
    past_deadline_ = true;
    error_code ignored;
    socket_.close(ignored);
  });
}

void Wire::ClearDeadline() {
  ++*current_;
  deadline_.cancel();
}

bool Wire::Idle() {
  if (!socket_.is_open()) return false;
  char byte = 0;
  error_code error;
  socket_.non_blocking(true, error);
  socket_.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error == asio::error::would_block;
}

}  // namespace batucada::loadtest
