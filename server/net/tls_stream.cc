#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/net/byte_stream.h"
#include "server/net/handshake_turns.h"
#include "server/net/no_throw.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr size_t kRecord = 16 << 10;  // OpenSSL reads and writes no more at once

constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 39\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: ask with https://";

// OpenSSL reads and writes the socket itself, whenever that is ready: whoever waits holds no buffers. (Asio's stream
// keeps four of 17 KiB for every connection.)
class TlsStream : public ByteStream {
 public:
  TlsStream(tcp::socket socket, asio::ssl::context& tls)
      : socket_(std::move(socket)), tls_(tls), hello_pause_(socket_.get_executor()) {}

  asio::any_io_executor executor() override { return socket_.get_executor(); }

  awaitable<error_code> Open() override {
    error_code error;
    socket_.non_blocking(true, error);
    if (error) co_return error;
    co_await WaitForHello(socket_, hello_pause_);
    HandshakeTurn turn(executor());
    co_await turn.Take();
    if (!socket_.is_open()) co_return asio::error::operation_aborted;
    // Only now: who never greets costs no more than without TLS.
    ssl_.reset(SSL_new(tls_.native_handle()));
    if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket_.native_handle()) != 1) co_return asio::error::no_memory;
    while (!error) {
      ERR_clear_error();
      const int done = SSL_accept(ssl_.get());
      if (done == 1) break;
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
        error_code ignored;
        socket_.write_some(asio::buffer(kSpeakTls), ignored);
      }
      const int wanted = SSL_get_error(ssl_.get(), done);
      // A ClientHello in several records, the second one of a handshake, too: it may say that it is 131 KB long, and
      // has room for as many from then on.
      if (SSL_get_state(ssl_.get()) == TLS_ST_SR_CLNT_HELLO) co_return asio::error::message_size;
      error = co_await WaitFor(wanted);
    }
    open_ = !error;
    if (open_) ReadByTurns();
    co_return error;
  }

  awaitable<size_t> Read(boost::beast::flat_buffer& inbox, size_t most, error_code& error) override {
    if (SSL_has_pending(ssl_.get()) == 1) {
      co_await asio::post(executor(), asio::use_awaitable);  // the thread's other connections have a turn
      error = socket_.is_open() ? error_code() : asio::error::operation_aborted;
    } else {
      error = co_await WaitFor(SSL_ERROR_WANT_READ);
    }
    while (!error) {
      // Of the thread's, as it is for streams without TLS. Never across a wait.
      thread_local std::array<char, kRecord> buffer;
      ERR_clear_error();
      may_read_ = true;
      const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(std::min(most, buffer.size())));
      if (got > 0) {
        const auto size = static_cast<size_t>(got);
        inbox.commit(asio::buffer_copy(inbox.prepare(size), asio::buffer(buffer.data(), size)));
        co_return size;
      }
      error = co_await WaitFor(SSL_get_error(ssl_.get(), got));
    }
    co_return 0;
  }

  size_t WriteNow(asio::const_buffer, error_code& error) override {
    // A record that went out by half could not be taken back.
    error = asio::error::would_block;
    return 0;
  }

  awaitable<size_t> WriteSome(asio::const_buffer bytes, error_code& error) override {
    error = socket_.is_open() ? error_code() : asio::error::operation_aborted;
    while (!error) {
      ERR_clear_error();
      const int put = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kRecord)));
      if (put > 0) co_return static_cast<size_t>(put);
      error = co_await WaitFor(SSL_get_error(ssl_.get(), put));
    }
    co_return 0;
  }

  awaitable<void> EndWriting() override {
    error_code error;
    while (open_ && socket_.is_open() && !error) {
      ERR_clear_error();
      const int said = SSL_shutdown(ssl_.get());
      if (said >= 0) break;  // what the other side says to it is not waited for
      error = co_await WaitFor(SSL_get_error(ssl_.get(), said));
    }
    socket_.shutdown(tcp::socket::shutdown_send, error);
  }

  void Close() override {
    error_code ignored;
    // A greeting of which nothing was read would make the end a reset.
    std::array<char, 1024> unread;
    for (int i = 0; !open_ && i < 32; ++i) {
      if (recv(socket_.native_handle(), unread.data(), unread.size(), MSG_DONTWAIT) <= 0) break;
    }
    socket_.close(ignored);
    hello_pause_.cancel();
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  // From now on a call of OpenSSL's reads the socket once: records that say nothing to us (KeyUpdate), of which a
  // client may send any number, it would read for as long as they come, and nobody else had a turn.
  void ReadByTurns() {
    BIO* const bio = SSL_get_rbio(ssl_.get());
    BIO_set_callback_arg(bio, reinterpret_cast<char*>(this));
    BIO_set_callback_ex(bio, [](BIO* of, int what, const char*, size_t, int, long, int result, size_t*) -> long {
      if (what != BIO_CB_READ) return result;
      if (std::exchange(reinterpret_cast<TlsStream*>(BIO_get_callback_arg(of))->may_read_, false)) return result;
      BIO_set_retry_read(of);
      return -1;
    });
  }

  // Until the socket is ready for what OpenSSL asked for (SSL_get_error); what else it said is an error.
  awaitable<error_code> WaitFor(int wanted) {
    if (wanted == SSL_ERROR_ZERO_RETURN) co_return asio::error::eof;
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return asio::error::connection_reset;
    const bool read = wanted == SSL_ERROR_WANT_READ;
    auto [error] = co_await socket_.async_wait(read ? tcp::socket::wait_read : tcp::socket::wait_write, kNoThrow);
    // Its number may be another connection's by now.
    co_return error || socket_.is_open() ? error : error_code(asio::error::operation_aborted);
  }

  tcp::socket socket_;
  asio::ssl::context& tls_;
  asio::steady_timer hello_pause_;
  std::unique_ptr<SSL, Free> ssl_;  // from the client's greeting on
  bool open_ = false;
  bool may_read_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> MakeTlsStream(tcp::socket socket, asio::ssl::context& tls) {
  return std::make_unique<TlsStream>(std::move(socket), tls);
}

}  // namespace batucada
