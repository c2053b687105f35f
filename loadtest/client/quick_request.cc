#include "loadtest/client/quick_request.h"

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace batucada::loadtest {

absl::StatusOr<Reply> QuickRequest(const Target& target, const std::string& request, Duration timeout) {
  boost::asio::io_context io(1);
  Wire wire(io);
  boost::beast::flat_buffer inbox;
  Reply reply;
  std::string failure;
  const auto ask = [&]() -> Task<void> {
    wire.SetDeadline(Clock::now() + timeout);
    const error_code error = co_await wire.Connect(target);
    if (error) {
      failure = error.message();
    } else {
      reply = co_await Exchange(wire, request, inbox, nullptr);
      if (reply.ending != Ending::kWhole) failure = reply.error;
    }
    wire.Close();
  };
  boost::asio::co_spawn(io, ask, boost::asio::detached);
  io.run();
  if (failure.empty()) return reply;
  return absl::UnavailableError(fmt::format("{}:{} does not answer: {}", target.host, target.port, failure));
}

}  // namespace batucada::loadtest
