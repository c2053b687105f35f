// Clients that misbehave, over connections of their own.
#pragma once

#include <string>

#include "loadtest/chaos/chaos_mix.h"
#include "loadtest/chaos/chaos_tally.h"
#include "loadtest/client/exchange.h"
#include "loadtest/client/target.h"
#include "loadtest/client/wire.h"
#include "loadtest/random.h"

namespace batucada::loadtest {

struct ChaosOptions {
  ChaosMix mix;
  uint64_t seed = 0;
  Duration patience = std::chrono::seconds(30);  // after which every one of them leaves
  Duration cancel_within = std::chrono::seconds(2);
  int64_t slow_bytes_per_s = 10;
  int64_t flood_connections = 50;  // of one flood
};

// On the thread of its context only.
class Troublemaker {
 public:
  // `request` of what follows is a sound one that asks the server to close the connection behind its answer.
  Troublemaker(boost::asio::io_context& io, const Target& target, const RequestHead& head, std::string_view path,
               const ChaosOptions& options, ChaosTally& tally)
      : io_(io), target_(target), head_(head), path_(path), options_(options), tally_(tally) {}

  // REQUIRES: not Mischief::kNone.
  Task<void> Do(Mischief mischief, uint64_t index, std::string request);

 private:
  Task<ChaosOutcome> Cancel(Random random, std::string request);
  Task<ChaosOutcome> ReadSlowly(std::string request);
  Task<ChaosOutcome> HalfClose(std::string request);
  // Sends `bytes`, now and then closes its side, and reads what comes.
  Task<ChaosOutcome> Send(Random random, std::string bytes);
  Task<ChaosOutcome> Flood(Random random);
  // Until the server closes, or the wire's deadline.
  Task<ChaosOutcome> ReadToEnd(Wire& wire);

  boost::asio::io_context& io_;
  const Target& target_;
  const RequestHead& head_;
  const std::string path_;
  const ChaosOptions& options_;
  ChaosTally& tally_;
};

}  // namespace batucada::loadtest
