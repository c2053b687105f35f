// Answers made of generated text, whole or streamed, in the envelope that OpenAI's clients expect.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/generation_group.h"
#include "server/http/choice.h"
#include "server/http/http.h"

namespace batucada {

// What every message of one answer repeats.
struct Envelope {
  std::string id;      // "cmpl-…"
  std::string object;  // "text_completion"
  int64_t created = 0;
  std::string model;
};

using Choices = std::vector<std::unique_ptr<Choice>>;

enum class UsageEvent : uint8_t { kOmit, kInclude };

// One JSON document, once all choices have ended; its Server-Timing header says where the time went. A long one is
// written piece by piece, as the client takes it.
std::unique_ptr<LiveAnswer> MakeWholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope);

// Server-sent events: each wake-up sends what every choice has to tell, all in one write. The last event is [DONE], or
// says what went wrong.
std::unique_ptr<LiveAnswer> MakeStreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                               Envelope envelope, UsageEvent usage_event);

}  // namespace batucada
