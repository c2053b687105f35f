// Where what is kept of texts is told to routers, and how.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batucada {

// Of an event: a map, as vLLM writes it since 0.24, or an array, as before.
enum class KvEventForm : uint8_t { kMap, kArray };

struct KvEventsConfig {
  std::string endpoint;         // of ZeroMQ; empty: nothing is told
  std::string replay_endpoint;  // where batches that were missed are asked for; empty: nowhere
  std::string topic;            // in front of every batch
  int32_t block_tokens = 64;    // tokens of a block
  KvEventForm form = KvEventForm::kMap;
  int32_t queue_batches = 1000;     // that wait for a subscriber, after which it misses some
  int64_t replay_bytes = 64 << 20;  // of batches that can be asked for again

  bool said_off = false;  // by ReadVllmKvEventsConfig, in so many words

  bool enabled() const { return !endpoint.empty(); }
  // INVALID_ARGUMENT: one sentence that names the flag.
  absl::Status Validate() const;
};

// Whether this program listens at the endpoint, or connects to who does: it listens at *, at addresses of this machine
// alone, and at paths (ipc://).
bool ListensAt(const std::string& endpoint);

// What vLLM's --kv-events-config says: a JSON object. INVALID_ARGUMENT for what cannot be done here, by name.
absl::Status ReadVllmKvEventsConfig(const std::string& json, KvEventsConfig* config);

}  // namespace batucada
