// Independent prompts of fixed or evenly drawn lengths.
#pragma once

#include "loadtest/workload/length_range.h"
#include "loadtest/workload/prompt_maker.h"
#include "loadtest/workload/workload.h"

namespace batucada::loadtest {

class RandomWorkload : public Workload {
 public:
  // `prompts` outlives this.
  RandomWorkload(const PromptMaker& prompts, uint64_t seed, LengthRange input, LengthRange output)
      : prompts_(prompts), seed_(seed), input_(input), output_(output) {}

  Session Make(uint64_t index) const override {
    Random lengths(seed_, Use::kLengths, index);
    Turn turn;
    turn.prompt_tokens = input_.Draw(lengths);
    turn.output_tokens = output_.Draw(lengths);
    prompts_.Append(turn.prompt_tokens, Random(seed_, Use::kText, index), "user", &turn.prompt);
    Session session;
    session.turns.push_back(std::move(turn));
    return session;
  }

 private:
  const PromptMaker& prompts_;
  const uint64_t seed_;
  const LengthRange input_, output_;
};

}  // namespace batucada::loadtest
