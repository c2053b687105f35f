// Batucada's engine: give it token ids and how to go on, get tokens and their text back as they are made. Start reading
// here.
//
//   Submit ── Scheduler ── Plan ──> Backend::Launch (CPU or GPU: the model) ──> Commit ── Generation::Poll
//              │  who runs next       packs the plan, runs the forward pass,               text, log-probs,
//              │  one pass per step   samples on the device                                 finish
//              └─ slots and blocks reserved whole, before a request starts
//
// A request reserves at once all the memory it can ever need (a Samba sequence has a constant size), then runs to its
// end without being evicted; an urgent one may have it put aside for a while, and nothing is computed twice. One
// thread, the step loop, plans, launches and commits; everything else waits for nobody.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/byte_progress.h"
#include "engine/core/observer.h"
#include "engine/core/prefix_changes.h"
#include "engine/core/request.h"
#include "engine/engine_config.h"
#include "engine/generation.h"
#include "engine/model/generation_config.h"
#include "engine/model/model_config.h"
#include "engine/prefix/prefix_cache_stats.h"
#include "engine/schedule/parking_stats.h"
#include "engine/session_states.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace batucada {

struct EngineStats {
  int64_t running = 0;         // sequences that hold a slot
  int64_t waiting = 0;         // sequences in the queue
  int64_t waiting_tokens = 0;  // prompt tokens in the queue
  int64_t slots_used = 0, slots_total = 0;
  int64_t control_rows_used = 0, control_rows_total = 0;  // of sequences that change logits
  int64_t blocks_used = 0, blocks_total = 0;
  int64_t block_tokens = 0;  // tokens a block holds
  absl::Duration load_time;  // that the weights took, from opening their files to the last one on the device
  uint64_t steps = 0;
  int64_t plan_searches = 0;               // steps' products whose plan was not found at start-up: none is expected
  uint64_t prompt_tokens = 0;              // prompt tokens computed since start
  uint64_t generated_tokens = 0;           // tokens delivered since start
  uint64_t drafts = 0, kept_drafts = 0;    // tokens guessed since start, and how many of them were right
  std::optional<PrefixCacheStats> prefix;  // none: there is no cache of prefixes
  ParkingStats parking;
  int64_t parked_bytes = 0;  // that parked sequences take in the host's memory
};

struct EngineHealth {
  bool alive = true;   // false: restart the process
  std::string reason;  // why not, in one sentence
};

// Thread-safe.
class Engine {
 public:
  // Loads the model, sizes the pools and starts the step loop. A configuration or checkpoint that cannot work comes
  // back as one sentence that says what to change. `observer` may be null and must outlive the engine, `loading` counts
  // the weights that are there and may be null, too.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineConfig& config, EngineObserver* observer = nullptr,
                                                        ByteProgress* loading = nullptr);
  ~Engine();

  // Queues the request, or refuses at once:
  //   INVALID_ARGUMENT    it could never run: says which field, its value and the limit
  //   RESOURCE_EXHAUSTED  the queue is full: try again later
  //   UNAVAILABLE         draining, or the engine has failed
  absl::StatusOr<Generation> Submit(Request request);
  // The same request several times, one choice for each seed: all of them, or none. What does not differ is held once.
  // The first alone scores the prompt, if that is asked for. Where a choice's consumer is stream_buffer_tokens behind,
  // `room` is asked for more, and goes when the last choice does; null: there is none, and the choice ends.
  absl::StatusOr<std::vector<Generation>> SubmitChoices(Request request, std::span<const uint64_t> seeds,
                                                        const TokenRoom& room = nullptr);

  // Ends a generation, wherever it is held, if it has not ended; its last update says kCancelled.
  void Cancel(SequenceId id);

  // Refuses new requests, waits until all have ended or `deadline` passes, then ends the rest with kShutdown.
  // Idempotent.
  void Drain(absl::Time deadline);

  // What is kept of clients' sessions.
  SessionStates& sessions();

  // What has changed in what is kept of texts since it was last taken: of EngineConfig::watch_prefixes. Takes at most
  // about `most_ids` ids at once, but a text whole; steps wait while they are copied. For one caller.
  PrefixChanges TakePrefixChanges(int64_t most_ids, int32_t block_tokens);

  EngineStats Stats() const;
  // Not alive once a step has failed, or when work is there and no step has finished for `EngineConfig::stall_timeout`.
  EngineHealth Health() const;

  // As given, with what it left open decided: backend, max_batch_tokens.
  const EngineConfig& config() const;
  const ModelConfig& model() const;
  const GenerationConfig& generation_defaults() const;
  const Tokenizer& tokenizer() const;
  // Makes what Request::constraint holds a text to, over this model's tokens. Thread-safe.
  GrammarCompiler& grammars();
  // What start-up decided, line by line: device, weights, pools in bytes and sequences.
  const std::string& description() const;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace batucada
