// One choice of a completion: what came from the engine and has not been written yet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/http/logprobs_json.h"
#include "server/json_writer.h"

namespace batucada {

class CompletionChoice {
 public:
  struct Options {
    bool logprobs = false;
    bool prompt_logprobs = false;  // in vLLM's shape
    bool echo = false;
    bool return_token_ids = false;
  };

  // `prompt` and `prompt_text` (for echo) are of this choice. `tokenizer` outlives this.
  CompletionChoice(int64_t index, const Options& options, const Tokenizer& tokenizer, std::vector<int32_t> prompt,
                   std::string prompt_text);

  void Take(Update& update);
  // Whether writing it now would tell the client something new.
  bool HasNews() const;
  // {"index":…,"text":…,"logprobs":…,"finish_reason":…,…} with everything since the last Write.
  void Write(JsonWriter& json);

 private:
  const int64_t index_;
  const Options options_;
  const Tokenizer& tokenizer_;
  std::vector<int32_t> prompt_;
  bool prompt_ids_due_;  // not written yet
  std::string text_;
  std::vector<int32_t> ids_;
  std::vector<TokenResult> prompt_scores_;
  LogprobsJson logprobs_;
  std::optional<Finish> finish_;
};

}  // namespace batucada
