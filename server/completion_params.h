// What a client asks for when it wants text continued, whichever wire it came over. Absent means: the default's.
// Front ends fill this in and check types; translate.h checks values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace batucada {

using Prompt = std::variant<std::string, std::vector<int32_t>>;  // text, or token ids used as they are

struct CompletionParams {
  std::string model;  // a served name; empty: the first
  std::vector<Prompt> prompts;

  std::optional<int64_t> max_tokens;
  std::optional<int64_t> n;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int64_t> top_k;
  std::optional<int64_t> seed;

  std::vector<std::string> stop;
  std::vector<int64_t> stop_token_ids;
  bool ignore_eos = false;
  bool skip_special_tokens = true;

  std::optional<int64_t> logprobs;
  std::optional<int64_t> prompt_logprobs;
  bool echo = false;
  bool return_token_ids = false;

  bool stream = false;
  bool include_usage = false;  // a streamed answer ends with a message that holds the usage

  absl::Time deadline = absl::InfiniteFuture();
};

}  // namespace batucada
