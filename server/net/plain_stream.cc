#include <array>
#include <utility>

#include "server/net/byte_stream.h"
#include "server/net/no_throw.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Waits for the socket to be ready rather than for an operation: an idle connection then holds no buffer, and a write
// that the kernel takes at once, as nearly all are, costs one call.
class PlainStream : public ByteStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  asio::any_io_executor executor() override { return socket_.get_executor(); }

  awaitable<error_code> Open() override {
    error_code error;
    socket_.non_blocking(true, error);
    co_return error;
  }

  awaitable<size_t> Read(boost::beast::flat_buffer& inbox, size_t most, error_code& error) override {
    // A newcomer has nearly always sent something already, and need not wait behind all that is ready by now.
    if (std::exchange(new_, false) && socket_.available(error) > 0) co_return ReadNow(inbox, most, error);
    size_t read = 0;
    do {
      auto [wait_error] = co_await socket_.async_wait(tcp::socket::wait_read, kNoThrow);
      error = wait_error;
      if (error) co_return 0;
      read = ReadNow(inbox, most, error);
    } while (error == asio::error::would_block);
    co_return read;
  }

  size_t WriteNow(asio::const_buffer bytes, error_code& error) override { return socket_.write_some(bytes, error); }

  awaitable<size_t> WriteSome(asio::const_buffer bytes, error_code& error) override {
    auto [wait_error] = co_await socket_.async_wait(tcp::socket::wait_write, kNoThrow);
    error = wait_error;
    if (error) co_return 0;
    const size_t written = socket_.write_some(bytes, error);
    if (error == asio::error::would_block) error = {};
    co_return written;
  }

  awaitable<void> EndWriting() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    co_return;
  }

  void Close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  // A short read goes through a buffer of the thread's: the inbox then has room for what has come, and not for what
  // might have.
  size_t ReadNow(boost::beast::flat_buffer& inbox, size_t most, error_code& error) {
    thread_local std::array<char, 16 << 10> buffer;
    if (most > buffer.size()) {
      const size_t read = socket_.read_some(inbox.prepare(most), error);
      inbox.commit(read);
      return read;
    }
    const size_t read = socket_.read_some(asio::buffer(buffer.data(), most), error);
    inbox.commit(asio::buffer_copy(inbox.prepare(read), asio::buffer(buffer.data(), read)));
    return read;
  }

  tcp::socket socket_;
  bool new_ = true;  // nothing was read yet
};

}  // namespace

std::unique_ptr<ByteStream> MakePlainStream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace batucada
