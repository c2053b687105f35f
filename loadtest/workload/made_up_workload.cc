#include "loadtest/workload/made_up_workload.h"

#include <cmath>
#include <utility>

namespace batucada::loadtest {

Session MadeUpWorkload::Make(uint64_t index) const {
  Random lengths(options_.seed, Use::kLengths, index);
  Random thinking(options_.seed, Use::kThinking, index);
  Random prefix(options_.seed, Use::kPrefix, index);
  Session session;
  const int64_t turns = options_.turns.Draw(lengths);
  for (int64_t i = 0; i < turns; ++i) {
    Turn turn;
    turn.prompt_tokens = options_.input.Draw(lengths);
    turn.output_tokens = options_.output.Draw(lengths);
    if (i == 0 && options_.prefixes > 0) {
      const auto which = static_cast<uint64_t>(prefix.Between(0, options_.prefixes - 1));
      prompts_.Append(options_.prefix_tokens, Random(options_.seed, Use::kPrefixText, which), "system", &turn.prompt);
    }
    // Every question has words of its own.
    prompts_.Append(turn.prompt_tokens, Random(options_.seed, Use::kText, SplitMix(index) + static_cast<uint64_t>(i)),
                    "user", &turn.prompt);
    if (i == 0 && options_.prefixes > 0) turn.prompt_tokens += options_.prefix_tokens;
    if (i > 0) turn.think = FromSeconds(-std::log(thinking.Unit()) * ToSeconds(options_.think));
    session.turns.push_back(std::move(turn));
  }
  return session;
}

}  // namespace batucada::loadtest
