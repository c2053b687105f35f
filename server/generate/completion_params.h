// What a client asks for when it wants text continued, whichever wire it came over. Absent means: the default's.
// Front ends fill this in and check types; translate.h checks values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "base/shared_array.h"
#include "engine/core/sampling_fields.h"
#include "text/answer/tools.h"
#include "text/chat_template.h"
#include "text/grammar.h"

namespace batucada {

using Prompt = std::variant<std::string, SharedArray<int32_t>>;  // text, or token ids used as they are

// What a client calls the parameters whose names differ, for errors.
struct ParameterNames {
  std::string prompt = "prompt";
  std::string max_tokens = "max_tokens";
  std::string logprobs = "logprobs";
  // Where a tool has its members, and which of them is the schema: tools[0].function.parameters.
  std::string tool_member = "function.";
  std::string tool_schema = "parameters";
  bool anthropic = false;  // whose clients know a prompt that is too long by Anthropic's words for it
  std::string thinking;    // what said first whether and how hard to think; empty: nothing did
  // Others, as this request has them: "min_tokens" and "sampling_params.min_new_tokens".
  std::vector<std::pair<std::string, std::string>> others;

  void Call(std::string_view name, std::string told) { others.emplace_back(name, std::move(told)); }
};

// What a client says of how its text will be used again. No answer depends on it.
struct CacheHints {
  bool only_breakpoints = false;  // keep nothing but what is marked (text/breakpoints.h)
  bool keep_off_disk = false;
  std::string session, key;  // its own name for what this is a part of: the first, if there is one, else the other
};

struct CompletionParams : SamplingOverrides {
  ParameterNames names;
  std::string model;  // a served name; empty: the first
  std::vector<Prompt> prompts;
  std::optional<ChatInput> conversation;  // instead of prompts: the one that the model's chat template makes of it
  // Whether the tokenizer puts its start token before a text. Absent: before prompts, and not before a conversation,
  // whose template writes its own.
  std::optional<bool> add_special_tokens;
  std::optional<int64_t> truncate_prompt_tokens;  // keep the last so many tokens of a longer prompt

  std::optional<int64_t> max_tokens;
  bool open_ended = false;  // until the model ends it, or there is no more room: max_tokens is an upper bound alone
  std::optional<int64_t> n;
  std::optional<int64_t> best_of;  // texts to generate for each prompt, of which the best n are answered
  std::optional<int64_t> seed;
  std::vector<std::pair<int64_t, double>> logit_bias;  // token id and bias; -infinity: never
  std::optional<int64_t> min_tokens;
  std::optional<std::vector<int64_t>> allowed_token_ids;
  std::vector<std::string> bad_words;
  std::optional<GrammarSpec> grammar;      // what the text is held to
  std::optional<OfferedTools> tools;       // of a conversation
  bool splits_thinking = true;             // else it stays in the text
  bool tells_thinking = true;              // else it is dropped
  std::optional<int64_t> thinking_tokens;  // after which the answer begins

  std::vector<std::string> stop;
  std::vector<int64_t> stop_token_ids;
  bool include_stop = false;  // the text ends with the stop string that ended it
  bool ignore_eos = false;
  bool skip_special_tokens = true;

  std::optional<int64_t> logprobs;
  std::optional<int64_t> prompt_logprobs;
  bool echo = false;
  bool echo_message = false;  // of a conversation: the answer begins with its final message, if that is the assistant's
  bool return_token_ids = false;
  bool return_tokens_as_token_ids = false;  // log-probabilities name tokens by their ids

  bool stream = false;
  bool include_usage = false;     // a streamed answer ends with a message that holds the usage
  bool continuous_usage = false;  // and every message before it does so far

  std::string request_id;  // the client's own, where no header has it

  std::string cache_salt;  // texts are shared by the cache of prefixes only among requests with the same
  CacheHints cache;
  std::optional<int64_t> priority;
  absl::Time deadline = absl::InfiniteFuture();
};

}  // namespace batucada
