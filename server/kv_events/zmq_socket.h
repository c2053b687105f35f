// A ZeroMQ socket as far as it is needed here, over libzmq's C interface. Not thread-safe; the context may be shared.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace batucada {

// Owns the threads that read and write. Must outlive its sockets.
class ZmqContext {
 public:
  ZmqContext();
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;
  void* get() const { return context_; }

 private:
  void* const context_;
};

class ZmqSocket {
 public:
  enum class Kind : uint8_t {
    kPublish,  // to each who has subscribed to a message's beginning; who is too slow misses messages
    kAnswer,   // messages begin with who they are from, or for
  };
  // `queue`: messages that wait for one peer. What peers send may be 1 KiB at most.
  ZmqSocket(ZmqContext& context, Kind kind, int32_t queue);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  // Listens, or connects and goes on trying to. UNAVAILABLE with the system's reason.
  absl::Status Listen(const std::string& endpoint);
  absl::Status Connect(const std::string& endpoint);
  // Where it listens, with the port that was chosen; empty: nowhere.
  std::string endpoint() const;

  enum class Sent : uint8_t {
    kSent,    // it is on its way
    kLater,   // the peer's queue is full
    kNobody,  // the peer is not there any more
  };
  // All parts or none; waits for nobody.
  Sent Send(std::initializer_list<std::string_view> parts);
  // The parts of a message that has come, at most `most` of them; nothing: none has.
  std::optional<std::vector<std::string>> Receive(size_t most);
  // Until something has come, or the time is over.
  void Wait(absl::Duration time);

 private:
  void Set(int option, int value);
  void* const socket_;
};

}  // namespace batucada
