#include "server/grpc/call.h"

#include <atomic>

#include <boost/asio/post.hpp>

namespace batucada {

std::function<void()> CallHandler::Waker() {
  auto posted = std::make_shared<std::atomic<bool>>(false);
  return [posted, weak = weak_from_this(), executor = call_.executor()] {
    if (posted->exchange(true)) return;
    boost::asio::post(executor, [posted, weak] {
      *posted = false;
      if (const auto self = weak.lock(); self != nullptr && !self->over()) self->OnWake();
    });
  };
}

}  // namespace batucada
