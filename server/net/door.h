// Where connections come in: a thread that does nothing but accept them, so that whoever comes is let in at once,
// whatever the loops are busy with, and a seat on one of the loops for each.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "server/net/io_pool.h"

namespace batucada {

// Thread-safe.
class Door {
 public:
  // A connection's place on a loop.
  struct Seat {
    boost::asio::io_context* loop = nullptr;
    std::shared_ptr<void> taken;  // until the connection has closed its descriptor
  };

  // `loops` are dealt in turn, and outlive this and its seats.
  explicit Door(IoPool& loops) : loops_(loops) {}

  // Where connections are accepted.
  boost::asio::io_context& context() { return own_.NextContext(); }
  Seat TakeSeat();

 private:
  // What is kept of a loop. Seats may outlive the door.
  struct Row {
    std::mutex mutex;
    size_t seats = 0;   // taken
    size_t states = 0;  // of descriptors, made
  };

  IoPool& loops_;
  std::mutex mutex_;
  std::map<boost::asio::io_context*, std::shared_ptr<Row>> rows_;
  IoPool own_{1};  // last: it ends first
};

}  // namespace batucada
