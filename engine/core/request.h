// The nouns every room of the engine shares: what is asked for, and how it ends. Plain data, no behaviour. Copies of a
// request share its arrays, so that each of its choices may have one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/shared_array.h"
#include "engine/core/token_constraint.h"

namespace batucada {

// Names one sequence for the life of the process; never reused.
using SequenceId = uint64_t;

struct LogitBias {
  int32_t id = 0;
  float bias = 0;
};

// How the next token is chosen. The model's logits are first changed by what follows `seed` (the order and formulas are
// in kernels/token_controls.h); then filters apply in this order: temperature, top_k, top_p, min_p.
struct SamplingParams {
  float temperature = 1;  // 0: always the most likely token
  float top_p = 1;        // [0, 1]: smallest set of tokens, at least one, with this much probability
  float min_p = 0;        // [0, 1]: drop tokens less likely than min_p times the most likely
  int32_t top_k = 0;      // 0: all
  uint64_t seed = 0;      // the same request and seed draw the same text whatever else runs

  float repetition_penalty = 1;  // (0, 10]: of ids in the prompt or drawn before; above 1 makes them less likely
  float presence_penalty = 0;    // [-2, 2]: taken off the logit of ids drawn before
  float frequency_penalty = 0;   // [-2, 2]: taken off once for every time the id was drawn
  int64_t min_tokens = 0;        // until so many are drawn, none that ends the text is, and stop strings do not count
  SharedArray<LogitBias> logit_bias;            // biases in [-100, 100], or -infinity; an id given twice has the sum
  SharedArray<int32_t> allowed_token_ids;       // draw only these; none: all
  SharedArray<std::vector<int32_t>> bad_words;  // runs of ids that must not come

  // Whether the logits are changed at all.
  bool controls_logits() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0 || min_tokens > 0 ||
           !logit_bias.empty() || !allowed_token_ids.empty() || !bad_words.empty();
  }
};

// Smaller numbers go first; see scheduler.h. Below 0 a request is urgent.
using Priority = int32_t;
inline constexpr Priority kMostUrgent = -1000, kLeastUrgent = 1000;

struct Request {
  SharedArray<int32_t> prompt;  // token ids, start token included; at least one
  SamplingParams sampling;
  int64_t max_tokens = 16;        // tokens to generate at most; 0 only with prompt_logprobs: score the prompt and end
  SharedArray<std::string> stop;  // generation ends before the first of these appears in the text
  SharedArray<int32_t> stop_token_ids;        // generation ends with any of these ids, besides the model's own
  bool ignore_eos = false;                    // do not end at the model's own end tokens
  std::optional<int32_t> logprobs;            // report log-probabilities, and so many alternatives, of generated tokens
  std::optional<int32_t> prompt_logprobs;     // likewise of every prompt token but the first
  bool skip_special_tokens = true;            // special tokens add nothing to the text
  SharedArray<int32_t> shown_special_tokens;  // but these do
  bool include_stop_in_text = false;          // the stop string or word that was found is part of the text
  std::shared_ptr<const Constraint> constraint;  // what the text is held to; null: nothing
  // Reuse of beginnings that were computed before: texts of one scope alone share them.
  bool use_prefix_cache = true;
  std::string cache_scope;
  SharedArray<int64_t> checkpoints;  // positions, ascending, where other prompts may go on differently
  SharedArray<int64_t> breakpoints;  // likewise, that the client named: they come before all others
  bool only_breakpoints = false;     // nothing else of the text is kept
  bool keep_off_disk = false;        // what is kept of it stays in memory
  std::string session;               // the client's name for what its text is a part of; empty: none
  uint64_t session_owner = 0;        // whose name that is: names of different owners never meet
  Priority priority = 0;
  uint64_t client = 0;  // whose it is: see engine/schedule/shares.h
  uint64_t group =
      0;  // the same for all choices and prompts of one client's request, and no other's; 0: it has but one
  absl::Time deadline = absl::InfiniteFuture();

  bool urgent() const { return priority < 0; }
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

// A generated token, or a scored prompt token. Log-probabilities are the model's own, before temperature and filters.
struct TokenResult {
  int32_t id = 0;
  float logprob = 0;
  int32_t rank = 0;               // 1 = most likely
  std::vector<TokenLogprob> top;  // most likely first; as many as were asked for
};

enum class FinishReason : uint8_t {
  kStop,       // end token, stop token or stop string
  kLength,     // max_tokens reached
  kCancelled,  // the client went away or asked to stop
  kDeadline,   // the request's deadline passed
  kOverrun,    // the client read too slowly: its buffer of tokens filled up
  kShutdown,   // the server ended before the request did
  kError,      // the engine failed; `Finish::message` says how
};

struct Finish {
  FinishReason reason = FinishReason::kStop;
  std::optional<std::string> stop_string;  // the stop string that was found
  std::optional<int32_t> stop_token;       // the id that ended it, if not the model's own end token
  std::string message;                     // for kError
  bool by_request = false;                 // of kError: what the request itself asked for left nothing to draw
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;       // of the prompt, that a checkpoint gave
  int64_t cache_write_tokens = 0;  // of the prompt, behind those, that a checkpoint was written of
  int64_t generated_tokens = 0;
  // Wall-clock marks; InfinitePast where the request never got so far.
  absl::Time submitted = absl::InfinitePast();
  absl::Time admitted = absl::InfinitePast();     // left the queue
  absl::Time first_token = absl::InfinitePast();  // first generated token known to the host
  absl::Time finished = absl::InfinitePast();
};

}  // namespace batucada
