// Tells routers what is kept of texts, on ZeroMQ, in the words that vLLM uses: what llm-d and Dynamo send requests by.
//
// A batch is three parts: the topic, its number (eight bytes, the highest first; each one more) and the events
// (event_batch.h). Who finds that a number is missing asks for all from one on, at an endpoint of its own: an empty
// part and the number. The answers are an empty part, a number and a batch each, and in the end the number -1 and
// nothing.
//
// The first batch of a process says that nothing is kept, and so does its last one. The first number is the time in
// microseconds: who knows a process that was killed finds a gap, asks, and learns that all of that is gone. Nothing
// waits for subscribers: who reads slowly misses batches. Nothing of the engine's waits either: it is asked, by a
// thread that is nothing else's, when the last batch is on its way, and remembers what it has to tell by pointers until
// then.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/core/prefix_changes.h"
#include "server/config/kv_events_config.h"
#include "server/kv_events/block_chains.h"
#include "server/kv_events/replay_buffer.h"
#include "server/kv_events/zmq_socket.h"
#include "server/telemetry/metrics.h"

namespace batucada {

class KvEventPublisher {
 public:
  // Engine::TakePrefixChanges.
  using Take = std::function<PrefixChanges(int64_t most_ids, int32_t block_tokens)>;

  // UNAVAILABLE: it cannot listen. `metrics`, and what `take` needs, must outlive it.
  static absl::StatusOr<std::unique_ptr<KvEventPublisher>> Start(const KvEventsConfig& config, Take take,
                                                                 Metrics& metrics);
  // Says that nothing is kept any more.
  ~KvEventPublisher();
  KvEventPublisher(const KvEventPublisher&) = delete;
  KvEventPublisher& operator=(const KvEventPublisher&) = delete;

  // Where it listens, with the ports that were chosen, or what it connects to; empty: nowhere.
  const std::string& endpoint() const { return endpoint_; }
  const std::string& replay_endpoint() const { return replay_endpoint_; }

 private:
  // A subscriber who gets what it has missed, from `next` on.
  struct Replay {
    std::string peer;
    uint64_t next = 0;
    absl::Time until;  // it is given up if it has taken nothing by then
  };

  KvEventPublisher(const KvEventsConfig& config, Take take, Metrics& metrics);
  absl::Status Open();
  void Run();
  void Publish(const std::vector<KvEvent>& events);
  void PublishBatch(std::span<const KvEvent> events);
  void TakeRequests();
  void Answer();
  // False: later.
  bool AnswerSome(Replay& replay);

  const KvEventsConfig config_;
  const Take take_;
  Metrics& metrics_;
  ZmqContext context_;
  ZmqSocket publish_;
  std::optional<ZmqSocket> answer_;
  std::string endpoint_, replay_endpoint_;
  BlockChains chains_;
  ReplayBuffer buffer_;
  std::deque<Replay> replays_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;  // uses all of the above
};

}  // namespace batucada
