// The JSON of a request, for every OpenAI-compatible server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada::loadtest {

enum class Endpoint : uint8_t { kCompletions, kChat };

// "/v1/completions" or "/v1/chat/completions".
std::string_view PathOf(Endpoint endpoint);

// One message of a conversation; in a completion only `text` counts.
struct Message {
  std::string role;
  std::string text;
};

// A prompt: token ids, or else messages (for completions the texts joined).
struct Prompt {
  std::vector<int32_t> ids;
  std::vector<Message> messages;
};

enum class EndToken : uint8_t { kRespect, kIgnore };

class CompletionBody {
 public:
  struct Options {
    Endpoint endpoint = Endpoint::kCompletions;
    std::string model;                       // empty: not named
    EndToken end_token = EndToken::kIgnore;  // "ignore_eos", an extension of vLLM that others may refuse
    std::string extra;                       // a JSON object of further members; empty: none
  };
  // INVALID_ARGUMENT: `extra` is not a JSON object.
  static absl::StatusOr<CompletionBody> Create(const Options& options);

  // Ids can only be sent to completions. REQUIRES: no ids with Endpoint::kChat.
  std::string Write(const Prompt& prompt, int64_t max_tokens) const;
  Endpoint endpoint() const { return endpoint_; }

 private:
  Endpoint endpoint_ = Endpoint::kCompletions;
  std::string common_;  // the members that never change, with a comma behind
};

}  // namespace batucada::loadtest
