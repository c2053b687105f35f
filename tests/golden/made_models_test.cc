// Every architecture against the reference's answers: small models with made-up weights, on every backend that this
// machine has, alone in chunks of odd sizes and inside random batches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "tests/golden/golden_checks.h"
#include "tests/golden/made_model.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

// A GPU computes in bf16: it may be as far off as the reference is in bf16, and a quarter more.
Contract ContractOf(Contract contract, const std::string& name) {
  if (contract.backend != BackendKind::kCuda) return contract;
  const Bf16Error reference = ReadBf16Error(name);
  contract.worst = std::max(contract.worst, 1.25F * reference.worst);
  contract.mean = std::max(contract.mean, 1.25F * reference.mean);
  return contract;
}

class MadeModels : public testing::TestWithParam<std::tuple<Contract, std::string>> {
 protected:
  MadeModels() { WriteMadeModel(name_, dir_.path()); }

  EngineConfig Config(int32_t max_batch_tokens, int32_t max_sequences) const {
    return {.model_dir = dir_.path().string(),
            .backend = contract_.backend,
            .max_batch_tokens = max_batch_tokens,
            .max_sequences = max_sequences,
            .max_total_tokens = 1000,
            .pool_bytes = int64_t{256} << 20,
            .block_tokens = 16};
  }

  const std::string name_ = std::get<1>(GetParam());
  const Contract contract_ = ContractOf(std::get<0>(GetParam()), name_);
  const TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Architectures, MadeModels,
                         testing::Combine(testing::Values(kCpu, kCuda), testing::ValuesIn(MadeModelNames())),
                         [](const auto& test) { return std::get<0>(test.param).name + "_" + std::get<1>(test.param); });

TEST_P(MadeModels, EachCaseAloneInChunksOfEverySize) {
  for (const int32_t rows : {1, 7, 64, 513}) {
    SCOPED_TRACE(rows);
    const auto engine = MakeEngine(Config(rows, 1));
    if (engine == nullptr) GTEST_SKIP() << "no GPU here";
    for (const GoldenCase& c : ReadMadeCases(name_)) {
      auto generation = engine->Submit(GreedyRequest(c));
      ASSERT_TRUE(generation.ok()) << generation.status();
      ExpectMatches(contract_, c, Collect(*generation));
    }
  }
}

// A prompt whose tokens nobody scores is computed with less work where the architecture allows it: its last logits and
// its continuation are those of the scored one.
TEST_P(MadeModels, UnscoredPromptsHaveTheSameLogits) {
  for (const int32_t rows : {7, 513}) {
    SCOPED_TRACE(rows);
    const auto engine = MakeEngine(Config(rows, 1));
    if (engine == nullptr) GTEST_SKIP() << "no GPU here";
    for (GoldenCase& c : ReadMadeCases(name_)) {
      Request request = GreedyRequest(c);
      request.prompt_logprobs.reset();
      auto generation = engine->Submit(std::move(request));
      ASSERT_TRUE(generation.ok()) << generation.status();
      c.prompt_logprobs.clear();
      ExpectMatches(contract_, c, Collect(*generation));
    }
  }
}

// The ids that a model with padding draws, and those that it says are likeliest, where no text holds padding.
std::vector<int32_t> DrawnIds(Engine& engine) {
  std::vector<int32_t> ids;
  for (int32_t first = 3; first < 40; ++first) {
    for (const float temperature : {0.0F, 2.0F}) {
      auto generation = engine.Submit({.prompt = {first},
                                       .sampling = {.temperature = temperature, .seed = 1},
                                       .max_tokens = 20,
                                       .ignore_eos = true,
                                       .logprobs = 8});
      EXPECT_TRUE(generation.ok()) << generation.status();
      if (!generation.ok()) return ids;
      for (const TokenResult& token : Collect(*generation).tokens) {
        ids.push_back(token.id);
        for (const auto& top : token.top) ids.push_back(top.id);
      }
    }
  }
  return ids;
}

// Rows of the embeddings that the tokenizer has no id for are no part of the vocabulary of a model that pads it:
// neither drawn, nor among the likeliest, nor to be had by asking.
TEST(PaddedVocabulary, PaddingIsNeverDrawn) {
  for (const Contract& contract : {kCpu, kCuda}) {
    const TempDir dir;
    const auto make = [&](MadeTokenizer tokenizer) {
      WriteMadeModel("phi4flash", dir.path(), tokenizer);
      return MakeEngine({.model_dir = dir.path().string(),
                         .backend = contract.backend,
                         .max_batch_tokens = 64,
                         .max_sequences = 4,
                         .max_total_tokens = 1000,
                         .pool_bytes = int64_t{256} << 20,
                         .block_tokens = 16});
    };
    const auto is_padding = [](int32_t id) { return id >= kByteTokenizerIds; };
    {
      const auto padded = make(MadeTokenizer::kBytes);
      if (padded == nullptr) continue;  // no GPU here
      const std::vector<int32_t> ids = DrawnIds(*padded);
      EXPECT_GT(ids.size(), 1000u);
      EXPECT_TRUE(std::ranges::none_of(ids, is_padding));
      EXPECT_THAT(padded->Submit({.prompt = {kByteTokenizerIds}, .max_tokens = 1}).status().message(),
                  testing::HasSubstr("ids must be between 0 and 258"));
    }
    const auto whole = make(MadeTokenizer::kWhole);
    EXPECT_TRUE(std::ranges::any_of(DrawnIds(*whole), is_padding)) << "the model would not draw padding anyway";
  }
}

// Every case twice, at once, among random strangers that come, go and are cancelled.
TEST_P(MadeModels, CasesInsideRandomBatches) {
  const auto engine = MakeEngine(Config(100, 24));
  if (engine == nullptr) GTEST_SKIP() << "no GPU here";
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<GoldenCase> cases = ReadMadeCases(name_);
  std::vector<Generation> strangers;
  std::vector<std::pair<const GoldenCase*, Generation>> running;
  for (int round = 0; round < 2; ++round) {
    for (const GoldenCase& c : cases) {
      std::vector<int32_t> prompt(1 + random() % 90);
      for (int32_t& id : prompt) id = static_cast<int32_t>(3 + random() % 300);
      auto stranger = engine->Submit({.prompt = std::move(prompt),
                                      .sampling = {.temperature = 1, .seed = random()},
                                      .max_tokens = static_cast<int64_t>(1 + random() % 40)});
      ASSERT_TRUE(stranger.ok());
      strangers.push_back(*std::move(stranger));
      auto generation = engine->Submit(GreedyRequest(c));
      ASSERT_TRUE(generation.ok()) << generation.status();
      running.emplace_back(&c, *std::move(generation));
      if (random() % 3 == 0) strangers.erase(strangers.begin());  // cancelled
    }
  }
  for (auto& [c, generation] : running) ExpectMatches(contract_, *c, Collect(generation));
}

}  // namespace

// With batch_invariant an answer is the same bits, tokens and log-probabilities of prompt and text, alone in chunks of
// any length and beside any others.
TEST_P(MadeModels, AnswersAreTheSameBitsInAnyCompany) {
  const auto bits = [](const Answer& answer) {
    std::vector<std::pair<int32_t, uint32_t>> all;
    for (const auto* part : {&answer.prompt, &answer.tokens}) {
      for (const TokenResult& token : *part) all.emplace_back(token.id, std::bit_cast<uint32_t>(token.logprob));
    }
    return all;
  };
  const std::vector<GoldenCase> cases = ReadMadeCases(name_);
  std::vector<std::vector<std::pair<int32_t, uint32_t>>> alone;
  for (const int32_t rows : {513, 1, 7, 64}) {
    SCOPED_TRACE(::testing::Message() << "chunks of " << rows);
    EngineConfig config = Config(rows, 1);
    config.batch_invariant = true;
    const auto engine = MakeEngine(config);
    if (engine == nullptr) GTEST_SKIP() << "no GPU here";
    for (size_t i = 0; i < cases.size(); ++i) {
      auto generation = engine->Submit(GreedyRequest(cases[i]));
      ASSERT_TRUE(generation.ok()) << generation.status();
      const auto answer = bits(Collect(*generation));
      if (rows == 513) alone.push_back(answer);
      EXPECT_EQ(answer, alone[i]) << "case " << i;
    }
  }
  EngineConfig config = Config(600, 128);
  config.batch_invariant = true;
  const auto engine = MakeEngine(config);
  ASSERT_NE(engine, nullptr);
  std::mt19937 random(5);
  for (const size_t company : {3, 15, 40, 120}) {
    SCOPED_TRACE(::testing::Message() << "beside " << company);
    std::vector<Generation> others;
    for (size_t i = 0; i < company; ++i) {
      Request request = GreedyRequest(cases[random() % cases.size()]);
      request.prompt_logprobs.reset();
      request.sampling = {.temperature = 1, .seed = random()};
      request.max_tokens = 200;
      request.ignore_eos = true;
      auto other = engine->Submit(std::move(request));
      ASSERT_TRUE(other.ok()) << other.status();
      others.push_back(*std::move(other));
    }
    std::vector<Generation> running;
    for (const GoldenCase& c : cases) {
      auto generation = engine->Submit(GreedyRequest(c));
      ASSERT_TRUE(generation.ok()) << generation.status();
      running.push_back(*std::move(generation));
    }
    for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(bits(Collect(running[i])), alone[i]) << "case " << i;
  }
}

}  // namespace batucada
