// The engine against the reference's answers: log-probabilities within 2e-3 and greedy continuations equal wherever the
// reference's margin exceeds 0.02, on the CPU backend; alone, in chunks of odd sizes, in mixed batches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/engine.h"
#include "tests/golden/golden_files.h"

namespace batucada {
namespace {

constexpr float kLogprobTolerance = 2e-3F;
constexpr float kDecidedMargin = 0.02F;

EngineConfig CpuConfig(int32_t max_batch_tokens, int32_t max_sequences) {
  return {.model_dir = ModelDir(),
          .backend = BackendKind::kCpu,
          .max_batch_tokens = max_batch_tokens,
          .max_sequences = max_sequences,
          .max_total_tokens = 200'000};
}

Request GreedyRequest(const GoldenCase& c) {
  return {.prompt = c.ids,
          .sampling = {.temperature = 0},
          .max_tokens = static_cast<int64_t>(c.greedy.size()),
          .ignore_eos = true,
          .logprobs = 8,
          .prompt_logprobs = 0};
}

struct Answer {
  std::vector<TokenResult> prompt, tokens;
  Finish finish;
};

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

void ExpectMatches(const GoldenCase& c, const Answer& answer) {
  ASSERT_EQ(answer.finish.reason, FinishReason::kLength) << answer.finish.message;
  ASSERT_EQ(answer.prompt.size(), c.prompt_logprobs.size());
  for (size_t i = 0; i < c.prompt_logprobs.size(); ++i) {
    EXPECT_EQ(answer.prompt[i].id, c.ids[i + 1]);
    EXPECT_NEAR(answer.prompt[i].logprob, c.prompt_logprobs[i], kLogprobTolerance) << c.name << " prompt token " << i + 1;
  }
  ASSERT_FALSE(answer.tokens.empty());
  ASSERT_EQ(answer.tokens[0].top.size(), c.last_top.size());
  for (size_t i = 0; i < c.last_top.size(); ++i) {
    EXPECT_NEAR(answer.tokens[0].top[i].logprob, c.last_top[i].second, kLogprobTolerance) << c.name << " choice " << i;
  }
  ASSERT_EQ(answer.tokens.size(), c.greedy.size());
  for (size_t i = 0; i < c.greedy.size(); ++i) {
    if (answer.tokens[i].id == c.greedy[i]) continue;
    // Past an undecided choice the texts are different ones.
    EXPECT_LE(c.margins[i], kDecidedMargin) << c.name << " token " << i;
    break;
  }
}

class GoldenChunks : public testing::TestWithParam<int32_t> {};

TEST_P(GoldenChunks, EachCaseAlone) {
  const auto engine = Engine::Create(CpuConfig(GetParam(), 1));
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const GoldenCase& c : ReadGoldenCases()) {
    auto generation = (*engine)->Submit(GreedyRequest(c));
    ASSERT_TRUE(generation.ok()) << generation.status();
    ExpectMatches(c, Collect(*generation));
  }
}

INSTANTIATE_TEST_SUITE_P(RowsPerStep, GoldenChunks, testing::Values(1, 7, 64, 513, 2048));

// Every case at once, twice, among random strangers that come, go and are cancelled.
TEST(Golden, CasesInsideRandomBatches) {
  const auto engine = Engine::Create(CpuConfig(100, 24));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<GoldenCase> cases = ReadGoldenCases();
  std::vector<Generation> strangers;
  const auto add_stranger = [&] {
    Request request{.sampling = {.temperature = 1, .seed = random()}, .max_tokens = static_cast<int64_t>(1 + random() % 40)};
    for (size_t i = 0, n = 1 + random() % 90; i < n; ++i) request.prompt.push_back(static_cast<int32_t>(random() % 8192));
    auto stranger = (*engine)->Submit(std::move(request));
    ASSERT_TRUE(stranger.ok());
    strangers.push_back(*std::move(stranger));
  };
  std::vector<std::pair<const GoldenCase*, Generation>> running;
  for (int round = 0; round < 2; ++round) {
    for (const GoldenCase& c : cases) {
      add_stranger();
      auto generation = (*engine)->Submit(GreedyRequest(c));
      ASSERT_TRUE(generation.ok()) << generation.status();
      running.emplace_back(&c, *std::move(generation));
      if (random() % 3 == 0) strangers.erase(strangers.begin());  // cancelled
    }
  }
  for (auto& [c, generation] : running) ExpectMatches(*c, Collect(generation));
}

// The same request gives the same tokens and log-probabilities, bit for bit, whatever else runs.
TEST(Golden, ABatchChangesNothing) {
  Request request{.prompt = ReadGoldenCases()[2].ids,
                  .sampling = {.temperature = 1, .top_p = 0.95F, .min_p = 0.01F, .top_k = 200, .seed = 99},
                  .max_tokens = 60,
                  .ignore_eos = true,
                  .logprobs = 3};
  const auto engine = Engine::Create(CpuConfig(64, 16));
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto alone = (*engine)->Submit(request);
  ASSERT_TRUE(alone.ok());
  const Answer expected = Collect(*alone);
  std::mt19937 random(5);
  std::vector<Generation> others;
  for (int i = 0; i < 12; ++i) {
    Request other{.prompt = std::vector<int32_t>(1 + random() % 200, 17), .max_tokens = 100, .ignore_eos = true};
    auto generation = (*engine)->Submit(other);
    ASSERT_TRUE(generation.ok());
    others.push_back(*std::move(generation));
  }
  auto together = (*engine)->Submit(request);
  ASSERT_TRUE(together.ok());
  const Answer got = Collect(*together);
  ASSERT_EQ(got.tokens.size(), expected.tokens.size());
  for (size_t i = 0; i < got.tokens.size(); ++i) {
    EXPECT_EQ(got.tokens[i].id, expected.tokens[i].id) << i;
    EXPECT_EQ(got.tokens[i].logprob, expected.tokens[i].logprob) << i;
  }
}

// Scores the first tokens of each book and compares with the reference's means and single values: state dropped,
// doubled or misplaced anywhere would drift from them. BATUCADA_NLL_TOKENS=131073 scores all there is.
TEST(Golden, LongTextsMatchTheReference) {
  const char* const asked = std::getenv("BATUCADA_NLL_TOKENS");
  const size_t length = asked == nullptr ? 16'385 : static_cast<size_t>(std::stoll(asked));
  const auto engine = Engine::Create(CpuConfig(513, 3));
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const auto& [name, golden] : ReadGoldenTexts()) {
    auto ids = (*engine)->tokenizer().Encode(golden.text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    if (ids->size() > length) ids->resize(length);
    auto generation = (*engine)->Submit({.prompt = *ids, .max_tokens = 0, .prompt_logprobs = 0});
    ASSERT_TRUE(generation.ok()) << generation.status();
    const Answer answer = Collect(*generation);
    ASSERT_EQ(answer.prompt.size(), ids->size() - 1);
    int buckets = 0, samples = 0;
    for (const auto& [range, expected] : golden.nll) {
      if (range.second > static_cast<int64_t>(answer.prompt.size())) continue;
      double sum = 0;
      for (int64_t i = range.first; i < range.second; ++i) sum -= answer.prompt[static_cast<size_t>(i)].logprob;
      EXPECT_NEAR(sum / static_cast<double>(range.second - range.first), expected, 2e-3)
          << name << " " << range.first << "-" << range.second;
      ++buckets;
    }
    for (const auto& [index, expected] : golden.sample) {
      if (index >= static_cast<int64_t>(answer.prompt.size())) continue;
      EXPECT_NEAR(answer.prompt[static_cast<size_t>(index)].logprob, expected, kLogprobTolerance) << name << " token " << index;
      ++samples;
    }
    EXPECT_GE(buckets, 7) << name;
    EXPECT_GE(samples, 5) << name;
  }
}

}  // namespace
}  // namespace batucada
