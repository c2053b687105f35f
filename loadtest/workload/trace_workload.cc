#include "loadtest/workload/trace_workload.h"

#include <algorithm>
#include <cmath>

namespace batucada::loadtest {

int64_t TraceWorkload::Scaled(int64_t tokens) const {
  return std::max<int64_t>(1, std::llround(static_cast<double>(tokens) * length_scale_));
}

Session TraceWorkload::Make(uint64_t index) const {
  const TraceRow& row = rows_[index];
  Turn turn = {.prompt = {}, .prompt_tokens = Scaled(row.input_tokens), .output_tokens = Scaled(row.output_tokens)};
  int64_t left = turn.prompt_tokens;
  const int64_t block_tokens = Scaled(kTraceBlockTokens);
  for (const int64_t id : row.blocks) {
    const int64_t tokens = std::min(left, block_tokens);
    if (tokens == 0) break;
    // A block's text is its id's: equal ids are equal tokens in whatever prompt.
    prompts_.Append(tokens, Random(seed_, Use::kPrefixText, static_cast<uint64_t>(id)), "user", &turn.prompt);
    left -= tokens;
  }
  if (left > 0) prompts_.Append(left, Random(seed_, Use::kText, index), "user", &turn.prompt);
  Session session;
  session.turns.push_back(std::move(turn));
  return session;
}

}  // namespace batucada::loadtest
