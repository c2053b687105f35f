// The engine against the reference's answers, on every backend that this machine has: alone, in chunks of odd sizes, in
// mixed batches. BATUCADA_NLL_TOKENS=131073 scores the long texts to their ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <tuple>

#include "engine/engine.h"
#include "tests/golden/golden_files.h"

namespace batucada {
namespace {

// What a backend promises: fp32 arithmetic on the CPU, bf16 operands on CUDA.
struct Contract {
  BackendKind backend;
  std::string name;
  float worst;    // log-probability of any token
  float mean;     // mean difference over a prompt
  float decided;  // greedy tokens are equal wherever the reference's margin exceeds this
  double nll;     // mean negative log-likelihood of a range of positions
};
const Contract kCpu{BackendKind::kCpu, "cpu", 2e-3F, 2e-3F, 0.02F, 2e-3};
const Contract kCuda{BackendKind::kCuda, "cuda", 0.3F, 0.05F, 0.5F, 0.01};

EngineConfig Config(const Contract& contract, int32_t max_batch_tokens, int32_t max_sequences) {
  return {.model_dir = ModelDir(),
          .backend = contract.backend,
          .max_batch_tokens = max_batch_tokens,
          .max_sequences = max_sequences,
          .max_total_tokens = 200'000};
}

// Null, and the test skipped, where this machine has no such device.
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
    EXPECT_GE(buckets, 7) << name;
    EXPECT_GE(samples, 5) << name;
  }
}

}  // namespace
}  // namespace batucada
