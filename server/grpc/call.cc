#include "server/grpc/call.h"

#include <atomic>
#include <exception>
#include <new>

#include <spdlog/spdlog.h>
#include <boost/asio/post.hpp>

namespace batucada {

void CallHandler::Guarded(const std::function<void()>& step) {
  absl::Status failure;
  try {
    step();
  } catch (const std::bad_alloc&) {
    failure = absl::ResourceExhaustedError("there is no memory for this request: send a smaller one");
  } catch (const std::exception& exception) {
    failure = absl::InternalError("the server failed to handle this request");
    spdlog::error("a gRPC call ended by an exception: {}", exception.what());
  }
  if (!failure.ok() && !over_) call_.Finish(failure);
}

std::function<void()> CallHandler::Waker() {
  auto posted = std::make_shared<std::atomic<bool>>(false);
  return [posted, weak = weak_from_this(), executor = call_.executor()] {
    if (posted->exchange(true)) return;
    boost::asio::post(executor, [posted, weak] {
      *posted = false;
      const auto self = weak.lock();
      if (self != nullptr && !self->over()) self->Guarded([&self] { self->OnWake(); });
    });
  };
}

}  // namespace batucada
