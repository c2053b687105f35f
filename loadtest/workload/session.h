// What is sent: one request, or a conversation of several.
#pragma once

#include <cstdint>
#include <vector>

#include "loadtest/client/completion_body.h"
#include "loadtest/clock.h"

namespace batucada::loadtest {

// One question. Behind the first of a session, `prompt` follows all earlier questions and the server's answers to them.
struct Turn {
  Prompt prompt;
  int64_t prompt_tokens = 0;  // that `prompt` is meant to have; text is only about so long
  int64_t output_tokens = 0;
  Duration think{0};  // from the end of the answer before until this is sent
};

struct Session {
  std::vector<Turn> turns;  // never empty
};

}  // namespace batucada::loadtest
