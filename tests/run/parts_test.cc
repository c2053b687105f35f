// A step in parts, with others between all of them, computes what it computes alone and whole, and so do the others: of
// every architecture, bit for bit.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/model/dummy.h"
#include "engine/run/model_backend.h"
#include "tests/run/small_models.h"

namespace batucada {
namespace {

constexpr int32_t kRows = 64, kSequences = 4, kVocab = 64;

class PartsTest : public testing::TestWithParam<std::string> {
 protected:
  PartsTest() {
    const ModelConfig model = ConfigOf(GetParam());
    auto ops = MakeCpuOps(1);
    EXPECT_TRUE(ops.ok()) << ops.status();
    const std::unique_ptr<TensorSource> source = MakeDummySource(model, 1);
    std::string report;
    auto made = ModelBackend::Create({.model = model,
                                      .max_batch_tokens = kRows,
                                      .max_sequences = kSequences,
                                      .max_total_tokens = 200,
                                      .end_tokens = {}},
                                     *source, *std::move(ops), &report);
    EXPECT_TRUE(made.ok()) << made.status();
    backend_ = *std::move(made);
  }

  // Tokens of a sequence's prompt, or a row that goes on; each of its rows is scored or draws.
  BatchPlan Plan(PageId slot, int64_t start, int32_t rows, bool decodes) {
    std::vector<std::vector<PageId>>& blocks = blocks_[slot];
    blocks.clear();
    for (const KvGroupSize& group : backend_->capacity().kv) {
      std::vector<PageId>& table = blocks.emplace_back();
      for (int32_t i = 0; i < group.most_per_sequence; ++i) table.push_back(slot * group.most_per_sequence + i);
    }
    BatchPlan plan{.step = ++step_, .num_decode = decodes ? 1 : 0, .num_tokens = rows};
    plan.sequences.push_back({.id = static_cast<SequenceId>(slot + 1),
                              .slot = slot,
                              .start = start,
                              .num_tokens = rows,
                              .tokens = std::span(prompt_[slot]).subspan(decodes ? 0 : start, decodes ? 0 : rows),
                              .blocks = blocks});
    for (int32_t row = 0; row < rows; ++row) {
      plan.samples.push_back({.row = row,
                              .slot = slot,
                              .position = start + row + 1,
                              .target = row + 1 == rows ? -1 : 7,
                              .sampling = &greedy_});
    }
    return plan;
  }
  void Take(std::vector<Drawn>* to) {
    const absl::StatusOr<StepResult> result = backend_->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    for (const TokenResult& token : result->samples) to->push_back({token.id, token.logprob});
  }
  // A prompt in two chunks and some tokens more, a step each.
  std::vector<Drawn> Alone(PageId slot, int32_t first, int32_t second, int32_t more) {
    std::vector<Drawn> drawn;
    const auto run = [&](const BatchPlan& plan) {
      ASSERT_TRUE(backend_->Launch(plan).ok());
      Take(&drawn);
    };
    run(Plan(slot, 0, first, false));
    run(Plan(slot, first, second, false));
    for (int32_t i = 0; i < more; ++i) run(Plan(slot, first + second + i, 1, true));
    return drawn;
  }

  std::unique_ptr<ModelBackend> backend_;
  const SamplingParams greedy_{.temperature = 0};
  std::vector<std::vector<PageId>> blocks_[kSequences];
  std::vector<int32_t> prompt_[kSequences];
  uint64_t step_ = 0;
};

TEST_P(PartsTest, WhateverRunsBetweenThem) {
  for (PageId slot = 0; slot < 2; ++slot) {
    for (int32_t i = 0; i < 100; ++i) prompt_[slot].push_back((i * 7 + slot * 3) % kVocab);
  }
  constexpr int32_t kMore = 60;
  const std::vector<Drawn> long_alone = Alone(0, 40, 35, 0), short_alone = Alone(1, 2, 1, kMore);

  // The second chunk in parts; beside it, and before, the other.
  std::vector<Drawn> longs, shorts;
  ASSERT_TRUE(backend_->Launch(Plan(0, 0, 40, false)).ok());
  Take(&longs);
  ASSERT_TRUE(backend_->Launch(Plan(1, 0, 2, false)).ok());
  Take(&shorts);
  BatchPlan in_parts = Plan(0, 40, 35, false);
  in_parts.in_parts = true;
  ASSERT_TRUE(backend_->Launch(in_parts).ok());
  int32_t between = 0, parts = 0;
  for (bool last = false; !last;) {
    const absl::StatusOr<bool> launched = backend_->LaunchParts(in_parts, 1 + parts % 2);
    ASSERT_TRUE(launched.ok()) << launched.status();
    last = *launched;
    parts += 1 + parts % 2;
    if (last) break;
    ASSERT_TRUE(backend_->AwaitParts().ok());
    const BatchPlan other = between == 0 ? Plan(1, 2, 1, false) : Plan(1, 2 + between, 1, true);
    ASSERT_TRUE(backend_->Launch(other).ok());
    Take(&shorts);
    ++between;
  }
  Take(&longs);
  EXPECT_GT(between, 0);
  EXPECT_EQ(longs, long_alone);
  EXPECT_EQ(shorts,
            std::vector<Drawn>(short_alone.begin(), short_alone.begin() + static_cast<std::ptrdiff_t>(shorts.size())));
}

INSTANTIATE_TEST_SUITE_P(Architectures, PartsTest, testing::ValuesIn(ModelNames()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace batucada
