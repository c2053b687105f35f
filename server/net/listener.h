// A TCP port and its door: whoever connects is let in on the door's thread (door.h) and passed on to one of the loops.
//
// A loop serves what is ready in the order in which it became so. When thousands of connections end at once that is a
// long queue, and what a newcomer sends would be at its end. What is passed on is seen before it. So a newcomer waits
// at the door for his first bytes, for a moment, and is passed on with them.
//
// Where the process has no descriptor left, newcomers wait outside until others close; on a port that answers about
// health one of the descriptors that are kept (descriptors.h) lets them in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/net/door.h"

namespace batucada {

// Whether there is a descriptor for everybody; kScarce: this newcomer has one of those that are kept.
enum class Room : uint8_t { kUsual, kScarce };

// Thread-safe but for the constructor, Listen and Start.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  struct Options {
    std::string host;
    int32_t port = 0;      // 0: one that is free
    std::string protocol;  // "HTTP", for messages
    std::string advice;    // the end of the message where the address cannot be had: "choose another with --port"
    enum class Reserve : uint8_t { kNone, kKeptDescriptors } reserve = Reserve::kNone;  // where there are no others
  };
  // Told on the door's thread, one after the other, until the last, `stopped`, which is told once.
  struct Owner {
    // Takes a newcomer, whose socket is on his seat's loop. May throw: he is let go then.
    std::function<void(boost::asio::ip::tcp::socket, Door::Seat, Room)> admit;
    // There is no descriptor for a newcomer: some connection should go.
    std::function<void()> make_room;
    std::function<void()> stopped;
  };

  // REQUIRES: door outlives this.
  Listener(Options options, Door& door);

  // UNAVAILABLE, in one sentence, if the address cannot be had.
  absl::Status Listen();
  int32_t port() const { return port_; }
  // Lets in whoever comes. REQUIRES: Listen.
  void Start(Owner owner);
  // Nobody more. Does not wait.
  void Stop();

 private:
  template <typename T>
  using awaitable = boost::asio::awaitable<T>;
  using Socket = boost::asio::ip::tcp::socket;

  awaitable<void> Accept(std::shared_ptr<Listener> self);
  awaitable<void> AcceptOne();
  awaitable<void> Receive(std::shared_ptr<Listener> self, std::shared_ptr<Socket> newcomer, Room room);
  void PassOn(Socket& newcomer, Room room);
  // Newcomers that may wait at the door: of few descriptors, a small part.
  size_t MostAtDoor() const;
  void WarnOfScarcity(const std::string& why);

  const Options options_;
  Door& door_;
  Owner owner_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  int32_t port_ = 0;
  boost::asio::ip::tcp protocol_ = boost::asio::ip::tcp::v4();
  // The door thread's.
  size_t at_door_ = 0;
  absl::Time next_warning_ = absl::InfinitePast();
};

}  // namespace batucada
