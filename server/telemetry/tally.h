// What is counted as it happens, for whoever writes it out: the native metrics and the names other engines use.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "server/telemetry/histogram.h"

namespace batucada {

// Why a request was refused before it ran. The names, in order, are kRejectionNames.
enum class Rejection : uint8_t {
  kInvalid,          // the request itself is wrong
  kUnknownModel,     // it names a model that is not served
  kUnauthenticated,  // no key, or a wrong one
  kQueueFull,        // --max-waiting or --max-waiting-tokens
  kTextQueueFull,    // --max-text-backlog-bytes
  kMemoryFull,       // --request-memory: no room now
  kTooLarge,         // likewise: there never will be
  kUnavailable,      // draining, or the engine has failed
  kInternal,         // a fault of the server
};
constexpr std::array<std::string_view, 9> kRejectionNames = {"invalid",           "unknown_model",   "unauthenticated",
                                                             "queue_full",        "text_queue_full", "memory_full",
                                                             "request_too_large", "unavailable",     "internal"};

// Upper bounds of buckets, in seconds or tokens. Objectives worth an alert lie on a bound.
inline constexpr double kFirstTokenBounds[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
                                               0.5,   1,     2,     5,    10,   20,   50,  100};
inline constexpr double kTokenGapBounds[] = {0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02,
                                             0.03,   0.05,  0.075, 0.1,   0.2,   0.5,    1,    2};
inline constexpr double kRequestBounds[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
inline constexpr double kStepBounds[] = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                         0.05,   0.1,    0.2,    0.5,   1,     2,     5};
inline constexpr double kLengthBounds[] = {1,    2,    4,    8,     16,    32,    64,     128,    256,    512,    1024,
                                           2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576};
inline constexpr double kRowBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

// Thread-safe: atomics, and a mutex for the two maps, which change once a request and never once a token.
struct Tally {
  using Counter = std::atomic<uint64_t>;
  using ByName = std::map<std::pair<std::string, int>, uint64_t>;
  static constexpr size_t kFinishReasons = 7;

  // Requests, in seconds.
  Histogram time_to_first_token{kFirstTokenBounds}, queue_time{kFirstTokenBounds};
  Histogram prefill_time{kFirstTokenBounds};                             // admitted to first token
  Histogram token_gap{kTokenGapBounds};                                  // every token but the first
  Histogram mean_token_gap{kTokenGapBounds};                             // one observation a request
  Histogram decode_time{kRequestBounds};                                 // first token to the end
  Histogram run_time{kRequestBounds};                                    // admitted to the end
  Histogram end_to_end{kRequestBounds};                                  // submitted to the end
  Histogram prompt_length{kLengthBounds}, output_length{kLengthBounds};  // tokens

  Histogram step_time{kStepBounds};
  Histogram step_sequences{kRowBounds}, step_tokens{kRowBounds};

  std::array<Counter, kFinishReasons> finished{};
  std::array<Counter, kRejectionNames.size()> rejected{};
  Counter disconnected{0};
  Counter ignored_parameters{0};
  std::atomic<int64_t> http_connections{0};
  Counter http_connections_refused{0};
  Counter http_connections_evicted{0};
  std::atomic<int64_t> grpc_connections{0};
  Counter grpc_connections_refused{0};
  Counter kv_event_batches{0}, kv_blocks_stored{0}, kv_blocks_removed{0};
  Counter kv_replays_whole{0}, kv_replays_partial{0};
  std::atomic<int64_t> kv_blocks{0};
  Counter spans_exported{0}, spans_dropped_queue_full{0}, spans_dropped_export_failed{0};

  mutable std::mutex mutex;  // guards what follows
  ByName http_responses;     // by endpoint and status
  ByName grpc_calls;         // by method and code
};

}  // namespace batucada
