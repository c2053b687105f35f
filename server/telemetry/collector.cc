#include "server/telemetry/collector.h"

#include <exception>
#include <optional>

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "server/common/version.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

// The status of the answer. Throws what Asio throws.
asio::awaitable<int> Exchange(const CollectorAddress& address, const std::string& body) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(address.host, address.port, asio::use_awaitable);
  beast::tcp_stream stream(executor);
  co_await stream.async_connect(found, asio::use_awaitable);
  http::request<http::string_body> request(http::verb::post, address.target, 11, body);
  request.set(http::field::host, address.host);
  request.set(http::field::user_agent, fmt::format("batucada/{}", kVersion));
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  request.prepare_payload();
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  co_await http::async_read(stream, buffer, response, asio::use_awaitable);
  co_return response.result_int();
}

}  // namespace

Delivery PostToCollector(const CollectorAddress& address, const std::string& body, absl::Duration timeout) {
  asio::io_context context(1);
  std::optional<int> status;  // none: nobody answered in time, or at all
  asio::co_spawn(context, Exchange(address, body), [&status](const std::exception_ptr& failure, int answered) {
    if (failure == nullptr) status = answered;
  });
  context.run_for(absl::ToChronoNanoseconds(timeout));
  if (!status) return Delivery::kTryAgain;
  if (*status >= 200 && *status < 300) return Delivery::kTaken;
  const bool busy = *status == 429 || (*status >= 502 && *status <= 504);
  return busy ? Delivery::kTryAgain : Delivery::kRefused;
}

}  // namespace batucada
