// The bytes of one HTTP connection, as they are or through TLS.
#pragma once

#include <cstddef>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/system/error_code.hpp>

namespace boost::asio::ssl {
class context;
}

namespace batucada {

// Used on its executor's thread only. One read and one write may be under way at a time.
class ByteStream {
 public:
  template <typename T>
  using awaitable = boost::asio::awaitable<T>;
  using error_code = boost::system::error_code;

  virtual ~ByteStream() = default;
  virtual boost::asio::any_io_executor executor() = 0;
  // Before everything else: TLS shakes hands.
  virtual awaitable<error_code> Open() = 0;
  // Waits for bytes, appends at most `most` of them to `inbox` and says how many. asio::error::eof: the other side will
  // send no more.
  virtual awaitable<size_t> Read(boost::beast::flat_buffer& inbox, size_t most, error_code& error) = 0;
  // Writes what can be written without waiting, and says how much that was; would_block if nothing.
  virtual size_t WriteNow(boost::asio::const_buffer bytes, error_code& error) = 0;
  // Waits until something can be written, and writes it.
  virtual awaitable<size_t> WriteSome(boost::asio::const_buffer bytes, error_code& error) = 0;
  // Says that nothing more will be written.
  virtual awaitable<void> EndWriting() = 0;
  // Ends whatever is under way. Idempotent.
  virtual void Close() = 0;
};

std::unique_ptr<ByteStream> MakePlainStream(boost::asio::ip::tcp::socket socket);
// REQUIRES: `tls` outlives the stream.
std::unique_ptr<ByteStream> MakeTlsStream(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& tls);

}  // namespace batucada
