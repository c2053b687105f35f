// What is known of a client's request once it is over: for the log and for traces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/common/client.h"
#include "server/common/trace.h"

namespace batucada {

// Where a request came from.
struct RequestOrigin {
  std::string api;  // "completions", "grpc.generate"
  std::string request_id;
  TraceContext trace;  // what the client sent
  Client client = {};
};

// What was asked of the model; absent for a request that was refused before that was known.
struct RequestAsked {
  std::string model;
  int64_t max_tokens = 0;
  double temperature = 1, top_p = 1;  // as they were given
};

struct RequestUsage {
  int64_t prompt_tokens = 0;  // each prompt once, however many choices it has
  int64_t generated_tokens = 0;
  int64_t cached_tokens = 0;       // of prompt_tokens, those that the cache of prefixes gave
  int64_t cache_write_tokens = 0;  // of prompt_tokens, those that it was given
};

// Of the generation that was longest in each; zero for what none of them came to.
struct RequestTimings {
  absl::Duration queue, prefill, decode;
};

// Several generations of one request are told of together.
struct RequestRecord {
  RequestOrigin origin;
  std::optional<RequestAsked> asked;
  int64_t choices = 0;
  RequestUsage usage;
  RequestTimings timings;
  // Of the first that came so far; InfinitePast where none did.
  absl::Time admitted = absl::InfinitePast();
  absl::Time first_token = absl::InfinitePast();
  absl::Time started, ended;
  std::vector<std::string_view> finish_reasons;  // FinishReasonName's, "rejected", "disconnected"; each once
  absl::Status status;                           // why it was refused, or how it failed
};

}  // namespace batucada
