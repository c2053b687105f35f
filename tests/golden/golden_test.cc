// The engine against the reference's answers, on every backend that this machine has: alone, in chunks of odd sizes, in
// mixed batches. BATUCADA_NLL_TOKENS=131073 scores the long texts to their ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <tuple>

#include "engine/engine.h"
#include "tests/golden/golden_checks.h"
#include "tests/golden/golden_files.h"

namespace batucada {
namespace {

EngineConfig Config(const Contract& contract, int32_t max_batch_tokens, int32_t max_sequences) {
  return {.model_dir = ModelDir(),
          .backend = contract.backend,
          .max_batch_tokens = max_batch_tokens,
          .max_sequences = max_sequences,
          .max_total_tokens = 200'000};
}

class GoldenChunks : public testing::TestWithParam<std::tuple<Contract, int32_t>> {};

TEST_P(GoldenChunks, EachCaseAlone) {
  const auto& [contract, rows] = GetParam();
  const auto engine = MakeEngine(Config(contract, rows, 1));
  if (engine == nullptr) GTEST_SKIP() << "no GPU here";
  for (const GoldenCase& c : ReadGoldenCases()) {
    auto generation = engine->Submit(GreedyRequest(c));
    ASSERT_TRUE(generation.ok()) << generation.status();
    ExpectMatches(contract, c, Collect(*generation));
  }
}

INSTANTIATE_TEST_SUITE_P(RowsPerStep, GoldenChunks,
                         testing::Combine(testing::Values(kCpu, kCuda), testing::Values(1, 7, 64, 513, 2048)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + std::to_string(std::get<1>(test.param));
                         });

class Golden : public testing::TestWithParam<Contract> {};
INSTANTIATE_TEST_SUITE_P(Backends, Golden, testing::Values(kCpu, kCuda),
                         [](const auto& test) { return test.param.name; });

// Every case at once, twice, among random strangers that come, go and are cancelled.
TEST_P(Golden, CasesInsideRandomBatches) {
  const auto engine = MakeEngine(Config(GetParam(), 100, 24));
  if (engine == nullptr) GTEST_SKIP() << "no GPU here";
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<GoldenCase> cases = ReadGoldenCases();
  std::vector<Generation> strangers;
  const auto add_stranger = [&] {
    Request request{.sampling = {.temperature = 1, .seed = random()},
                    .max_tokens = static_cast<int64_t>(1 + random() % 40)};
    std::vector<int32_t> prompt(1 + random() % 90);
    for (int32_t& id : prompt) id = static_cast<int32_t>(random() % 8192);
    request.prompt = std::move(prompt);
    auto stranger = engine->Submit(std::move(request));
    ASSERT_TRUE(stranger.ok());
    strangers.push_back(*std::move(stranger));
  };
  std::vector<std::pair<const GoldenCase*, Generation>> running;
  for (int round = 0; round < 2; ++round) {
    for (const GoldenCase& c : cases) {
      add_stranger();
      auto generation = engine->Submit(GreedyRequest(c));
      ASSERT_TRUE(generation.ok()) << generation.status();
      running.emplace_back(&c, *std::move(generation));
      if (random() % 3 == 0) strangers.erase(strangers.begin());  // cancelled
    }
  }
  for (auto& [c, generation] : running) ExpectMatches(GetParam(), *c, Collect(generation));
}

// The same request gives the same tokens and log-probabilities, bit for bit, whatever else runs.
TEST(GoldenCpu, ABatchChangesNothing) {
  Request request{.prompt = ReadGoldenCases()[2].ids,
                  .sampling = {.temperature = 1, .top_p = 0.95F, .min_p = 0.01F, .top_k = 200, .seed = 99},
                  .max_tokens = 60,
                  .ignore_eos = true,
                  .logprobs = 3};
  const auto engine = MakeEngine(Config(kCpu, 64, 16));
  ASSERT_NE(engine, nullptr);
  auto alone = engine->Submit(request);
  ASSERT_TRUE(alone.ok());
  const Answer expected = Collect(*alone);
  std::mt19937 random(5);
  std::vector<Generation> others;
  for (int i = 0; i < 12; ++i) {
    Request other{.prompt = std::vector<int32_t>(1 + random() % 200, 17), .max_tokens = 100, .ignore_eos = true};
    auto generation = engine->Submit(other);
    ASSERT_TRUE(generation.ok());
    others.push_back(*std::move(generation));
  }
  auto together = engine->Submit(request);
  ASSERT_TRUE(together.ok());
  const Answer got = Collect(*together);
  ASSERT_EQ(got.tokens.size(), expected.tokens.size());
  for (size_t i = 0; i < got.tokens.size(); ++i) {
    EXPECT_EQ(got.tokens[i].id, expected.tokens[i].id) << i;
    EXPECT_EQ(got.tokens[i].logprob, expected.tokens[i].logprob) << i;
  }
}

// Scores the first tokens of each book and compares with the reference's means and single values: state dropped,
// doubled or misplaced anywhere would drift from them.
TEST_P(Golden, LongTextsMatchTheReference) {
  const char* const asked = std::getenv("BATUCADA_NLL_TOKENS");
  const size_t length = asked == nullptr ? 16'385 : static_cast<size_t>(std::stoll(asked));
  const auto engine = MakeEngine(Config(GetParam(), 513, 3));
  if (engine == nullptr) GTEST_SKIP() << "no GPU here";
  for (const auto& [name, golden] : ReadGoldenTexts()) {
    auto ids = engine->tokenizer().Encode(golden.text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    if (ids->size() > length) ids->resize(length);
    auto generation = engine->Submit({.prompt = *ids, .max_tokens = 0, .prompt_logprobs = 0});
    ASSERT_TRUE(generation.ok()) << generation.status();
    const Answer answer = Collect(*generation);
    ASSERT_EQ(answer.prompt.size(), ids->size() - 1);
    int buckets = 0, samples = 0;
    for (const auto& [range, expected] : golden.nll) {
      if (range.second > static_cast<int64_t>(answer.prompt.size())) continue;
      double sum = 0;
      for (int64_t i = range.first; i < range.second; ++i) sum -= answer.prompt[static_cast<size_t>(i)].logprob;
      EXPECT_NEAR(sum / static_cast<double>(range.second - range.first), expected, GetParam().nll)
          << name << " " << range.first << "-" << range.second;
      ++buckets;
    }
    for (const auto& [index, expected] : golden.sample) {
      if (index >= static_cast<int64_t>(answer.prompt.size())) continue;
      EXPECT_NEAR(answer.prompt[static_cast<size_t>(index)].logprob, expected, GetParam().worst)
          << name << " token " << index;
      ++samples;
    }
    EXPECT_GE(buckets, asked == nullptr ? 7 : 1) << name;
    EXPECT_GE(samples, asked == nullptr ? 5 : 1) << name;
  }
}

}  // namespace
}  // namespace batucada
