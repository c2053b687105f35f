#include "tests/golden/golden_checks.h"

#include <gtest/gtest.h>

#include <cmath>

namespace batucada {

std::unique_ptr<Engine> MakeEngine(const EngineConfig& config) {
  auto engine = Engine::Create(config);
  if (config.backend == BackendKind::kCuda && absl::IsUnavailable(engine.status())) return nullptr;
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

Request GreedyRequest(const GoldenCase& c) {
  return {.prompt = c.ids,
          .sampling = {.temperature = 0},
          .max_tokens = static_cast<int64_t>(c.greedy.size()),
          .ignore_eos = true,
          .logprobs = 8,
          .prompt_logprobs = 0};
}

Answer Collect(Generation& generation) {
  Answer answer;
  Update update;
  while (generation.Wait(&update)) {
    answer.prompt.insert(answer.prompt.end(), update.prompt_logprobs.begin(), update.prompt_logprobs.end());
    answer.tokens.insert(answer.tokens.end(), update.tokens.begin(), update.tokens.end());
    if (update.finish) answer.finish = *update.finish;
  }
  return answer;
}

void ExpectMatches(const Contract& contract, const GoldenCase& c, const Answer& answer) {
  ASSERT_EQ(answer.finish.reason, FinishReason::kLength) << answer.finish.message;
  ASSERT_EQ(answer.prompt.size(), c.prompt_logprobs.size());
  double sum = 0;
  for (size_t i = 0; i < c.prompt_logprobs.size(); ++i) {
    EXPECT_EQ(answer.prompt[i].id, c.ids[i + 1]);
    EXPECT_NEAR(answer.prompt[i].logprob, c.prompt_logprobs[i], contract.worst) << c.name << " prompt token " << i + 1;
    sum += std::abs(answer.prompt[i].logprob - c.prompt_logprobs[i]);
  }
  EXPECT_LE(sum, contract.mean * static_cast<double>(c.prompt_logprobs.size())) << c.name;
  ASSERT_FALSE(answer.tokens.empty());
  ASSERT_EQ(answer.tokens[0].top.size(), c.last_top.size());
  for (size_t i = 0; i < c.last_top.size(); ++i) {
    EXPECT_NEAR(answer.tokens[0].top[i].logprob, c.last_top[i].second, contract.worst) << c.name << " choice " << i;
  }
  ASSERT_EQ(answer.tokens.size(), c.greedy.size());
  for (size_t i = 0; i < c.greedy.size(); ++i) {
    if (answer.tokens[i].id == c.greedy[i]) continue;
    // Past an undecided choice the texts are different ones.
    EXPECT_LE(c.margins[i], contract.decided) << c.name << " token " << i;
    break;
  }
}

}  // namespace batucada
