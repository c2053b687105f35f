// Every choice the engine leaves to its operator. One default per field; Validate says what is wrong in words.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace batucada {

enum class BackendKind : uint8_t { kAuto, kCpu, kCuda, kFake };
enum class LoadFormat : uint8_t { kAuto, kDummy };
enum class PrefixCacheUse : uint8_t { kOff, kOn };
enum class GenerationDefaults : uint8_t { kAuto, kNone };

struct EngineConfig {
  std::string model_dir = "models/samba-classics-18m";
  LoadFormat load_format = LoadFormat::kAuto;  // kDummy: seeded random weights from config.json alone
  // kNone: of generation_config.json only the end tokens count.
  GenerationDefaults generation_config = GenerationDefaults::kAuto;
  BackendKind backend = BackendKind::kAuto;  // kAuto: cuda where a GPU is usable, else cpu
  int32_t threads = 0;                       // of the CPU backend; 0: one per core
  int32_t device = 0;                        // CUDA device
  bool batch_invariant = false;              // on CUDA, too, a request's numbers are the same bits in any company

  int32_t max_batch_tokens = 0;                  // rows one step computes at most; 0: 256 on the CPU, 4096 on CUDA
  int32_t draft_tokens = 0;                      // that a sequence's step guesses ahead at most; 0: none
  double prompt_share = 0.5;                     // (0, 1) of the time, for prompts while others generate
  int32_t max_sequences = 256;                   // sequences that run at once at most
  int32_t urgent_sequences = 0;                  // of them, how many only requests of a negative priority may be
  int32_t parked_sequences = 0;                  // that urgent ones may have put aside, in the host's memory
  absl::Duration park_time = absl::Seconds(30);  // that one may be put aside in all
  int32_t controlled_sequences = 0;        // of them, how many may change logits; 0: as many as fit in a sixteenth of
                                           // the memory for sequences
  double request_share = 0.75;             // of the sequences that others leave, what one request may be; 1: all
  double client_share = 0;                 // likewise all requests of a client; 0: 0.9 beside others, else all
  int32_t max_waiting = 1024;              // requests in the queue, and as many further choices of theirs
  int64_t max_waiting_tokens = 4'000'000;  // prompt tokens in the queue
  int64_t max_total_tokens = 1'048'576;    // prompt and generated tokens of one request
  int64_t pool_bytes = 0;                  // memory for sequences; 0: what max_sequences needs, if the device has it
  double memory_fraction = 0;              // of the device's free memory that weights, workspace and pools may take;
                                           // 0: 0.5 of a CPU's, which others need too, 0.9 of a GPU's
  bool prefault = false;                   // make the CPU backend's memory resident at start, not as it is used
  int32_t block_tokens = 64;               // tokens a K/V block holds; a power of two
  // Prompts go on from where an earlier one began the same. Checkpoints lie on the device, in memory of their own, and
  // behind it in the host's.
  PrefixCacheUse prefix_cache = PrefixCacheUse::kOff;
  int64_t prefix_cache_bytes = 0;  // on the device; 0: a sixteenth of what weights and workspace leave, at most
                                   // for half as many beginnings as sequences
  int64_t host_cache_bytes = 0;    // in the host's memory; 0: none
  std::string disk_cache_dir;      // behind the host's: a directory; empty: none
  int64_t disk_cache_bytes = int64_t{10} << 30;  // of this model's files there
  std::string disk_cache_digest = "model";       // names the weights: states of others are not used
  bool watch_prefixes = false;                   // somebody takes Engine::TakePrefixChanges
  int32_t stream_buffer_tokens = 4096;  // tokens kept for a consumer that does not read; past it the request ends

  absl::Duration stall_timeout = absl::Seconds(60);       // without a finished step while there is work: not alive
  absl::Duration fake_step_time = absl::Milliseconds(1);  // how long the fake backend's steps take

  absl::Status Validate() const;
};

}  // namespace batucada
