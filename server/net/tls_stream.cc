#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "server/net/byte_stream.h"
#include "server/net/handshake_turns.h"
#include "server/net/no_throw.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class TlsStream : public ByteStream {
 public:
  TlsStream(tcp::socket socket, asio::ssl::context& tls) : stream_(std::move(socket), tls) {}

  asio::any_io_executor executor() override { return stream_.get_executor(); }

  awaitable<error_code> Open() override {
    co_await WaitForHello(stream_.next_layer());
    HandshakeTurn turn(stream_.get_executor());
    co_await turn.Take();
    auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kNoThrow);
    open_ = !error;
    co_return error;
  }

  awaitable<size_t> Read(boost::beast::flat_buffer& inbox, size_t most, error_code& error) override {
    constexpr size_t kRecord = 16 << 10;  // more never comes at once
    // Not into the inbox itself: while this waits, its other end is consumed, which moves what has been prepared.
    received_.resize(std::min(most, kRecord));
    auto [read_error, size] = co_await stream_.async_read_some(asio::buffer(received_), kNoThrow);
    inbox.commit(asio::buffer_copy(inbox.prepare(size), asio::buffer(received_, size)));
    error = read_error;
    // Many clients just close; HTTP says by itself where a message ends.
    if (error == asio::ssl::error::stream_truncated) error = asio::error::eof;
    co_return size;
  }

  size_t WriteNow(asio::const_buffer, error_code& error) override {
    // A record that went out by half could not be taken back.
    error = asio::error::would_block;
    return 0;
  }

  awaitable<size_t> WriteSome(asio::const_buffer bytes, error_code& error) override {
    auto [write_error, size] = co_await stream_.async_write_some(bytes, kNoThrow);
    error = write_error;
    co_return size;
  }

  awaitable<void> EndWriting() override {
    if (open_) co_await stream_.async_shutdown(kNoThrow);
  }

  void Close() override {
    error_code ignored;
    // A greeting of which nothing was read would make the end a reset.
    std::array<char, 1024> unread;
    for (int i = 0; !open_ && i < 32; ++i) {
      if (recv(stream_.next_layer().native_handle(), unread.data(), unread.size(), MSG_DONTWAIT) <= 0) break;
    }
    stream_.next_layer().close(ignored);
  }

 private:
  asio::ssl::stream<tcp::socket> stream_;
  std::vector<char> received_;
  bool open_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> MakeTlsStream(tcp::socket socket, asio::ssl::context& tls) {
  return std::make_unique<TlsStream>(std::move(socket), tls);
}

}  // namespace batucada
