// Answers made of generated text, whole or streamed, in the envelope that OpenAI's clients expect.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/generate/generation_group.h"
#include "server/http/http.h"
#include "server/openai/choice.h"

namespace batucada {

// What every message of one answer repeats.
struct Envelope {
  std::string id;           // "cmpl-…"
  std::string_view object;  // "text_completion"
  int64_t created = 0;
  std::string model;
  std::string_view fingerprint;  // see server/commands/fingerprint.h
  Headers headers = {};          // of the answer
};

using Choices = std::vector<std::unique_ptr<Choice>>;

// Of the texts of each prompt, how many the answer tells; if not all, those that BestOf picks.
struct Selection {
  int32_t per_prompt = 1;
  int32_t keep = 1;
};

// Which events of a stream tell the usage: none; one more at the end; that, and each of the others that of its choice
// so far.
enum class UsageEvents : uint8_t { kNone, kLast, kEvery };

// One JSON document, once all choices have ended; its Server-Timing header says where the time went. A long one is
// written piece by piece, as the client takes it.
std::unique_ptr<LiveAnswer> MakeWholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope,
                                            const Selection& selection);

// Server-sent events: each wake-up sends what every choice has to tell, all in one write. The last event is [DONE], or
// says what went wrong. `prompt_tokens`: of each choice.
std::unique_ptr<LiveAnswer> MakeStreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                               Envelope envelope, UsageEvents usage_events,
                                               std::vector<int64_t> prompt_tokens);

}  // namespace batucada
