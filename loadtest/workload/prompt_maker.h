// Makes up prompts of a wanted length: of random words, of a corpus, or of random token ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loadtest/client/completion_body.h"
#include "loadtest/random.h"

namespace batucada::loadtest {

enum class PromptKind : uint8_t {
  kText,  // about the wanted length: tokens are reckoned as bytes_per_token bytes
  kIds,   // exactly the wanted length; only for completions
};

// Immutable.
class PromptMaker {
 public:
  struct Options {
    PromptKind kind = PromptKind::kText;
    double bytes_per_token = 4.0;
    int32_t lowest_id = 100, highest_id = 1000;  // ids to draw from
    std::string corpus;                          // text to cut prompts from; empty: random English words
  };
  explicit PromptMaker(Options options) : options_(std::move(options)) {}

  // Appends about `tokens` tokens to the prompt's last message of `role`, or its ids. Draws from `random` only.
  void Append(int64_t tokens, Random random, std::string_view role, Prompt* prompt) const;

 private:
  std::string Text(int64_t tokens, Random& random) const;

  Options options_;
};

// The whole file. INVALID_ARGUMENT: it cannot be read, is empty, or is not text.
absl::StatusOr<std::string> ReadCorpus(const std::string& path);

}  // namespace batucada::loadtest
