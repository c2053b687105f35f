// Sessions of wanted lengths: lone prompts, prompts that share their beginnings, conversations.
#pragma once

#include "loadtest/workload/length_range.h"
#include "loadtest/workload/prompt_maker.h"
#include "loadtest/workload/workload.h"

namespace batucada::loadtest {

class MadeUpWorkload : public Workload {
 public:
  struct Options {
    uint64_t seed = 0;
    LengthRange input{128, 128};   // of every question, without what goes before it
    LengthRange output{128, 128};  // of every answer
    int64_t prefixes = 0;          // how many beginnings there are, one of which every session has; 0: none
    int64_t prefix_tokens = 0;     // of each
    LengthRange turns{1, 1};       // questions in a session
    Duration think{0};             // mean of the time from an answer to the next question, exponential
  };
  // `prompts` outlives this.
  MadeUpWorkload(const PromptMaker& prompts, const Options& options) : prompts_(prompts), options_(options) {}

  Session Make(uint64_t index) const override;

 private:
  const PromptMaker& prompts_;
  const Options options_;
};

}  // namespace batucada::loadtest
