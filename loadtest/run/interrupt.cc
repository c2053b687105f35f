#include "loadtest/run/interrupt.h"

#include <csignal>
#include <cstdio>
#include <utility>

namespace batucada::loadtest {

Interrupt::Interrupt(std::function<void()> stop) : signals_(io_, SIGINT) {
  signals_.async_wait([this, stop = std::move(stop)](boost::system::error_code cancelled, int) {
    if (cancelled) return;
    signals_.clear();  // the system's own way again
    seen_ = true;
    std::fputs("\nbatucada-loadtest: waiting for what runs; interrupt once more to leave at once\n", stderr);
    stop();
  });
  thread_ = std::thread([this] { io_.run(); });
}

Interrupt::~Interrupt() {
  io_.stop();
  thread_.join();
}

}  // namespace batucada::loadtest
