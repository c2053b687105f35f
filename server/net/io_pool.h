// The few threads that all connections share. Each runs its own event loop, and a connection stays on the one it was
// given, so its state is only ever touched by one thread.
#pragma once

#include <cstdint>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace batucada {

class IoPool {
 public:
  explicit IoPool(int32_t threads);  // REQUIRES: threads > 0
  // Stops the loops and joins the threads; what they had not done yet is dropped.
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // In turn. Thread-safe.
  boost::asio::io_context& NextContext();

 private:
  class Loop;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What --io-threads 0 means: a quarter of the cores, for the rest belong to the model, but 1 to 4.
int32_t DefaultIoThreads();

}  // namespace batucada
