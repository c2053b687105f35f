// What a request will make the server hold, computed from what it asks for: upper bounds, of the order of what is
// really held. docs/operations.md says them in words.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/generate/translate.h"

namespace batucada {

// While a JSON body becomes parameters, texts and token ids: its values, a copy or two of its texts, and what
// tokenizing them takes. Linear in the bytes.
int64_t ParsingBytes(std::string_view body);
// Of that, what merging the longest word takes: of a text that has no spaces, or nothing else, many times its bytes.
// Bytes that no text has part words too, so that lists of numbers in a message count for little.
int64_t WordBytes(std::string_view text);

// Ids, which the choices of a prompt share, and echoed texts, which they do not.
int64_t PromptBytes(const Translation& translation);
// Log-probabilities of the prompts.
int64_t ScoreBytes(const Translation& translation);
// What every choice has of its own, before its first token.
int64_t ChoiceBytes(const Translation& translation);
// A generated token that waits to be taken, or to be written as a part of a whole answer. `logprobs`: see Request.
int64_t TokenBytes(std::optional<int32_t> logprobs);

}  // namespace batucada
