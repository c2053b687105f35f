// Pages that nobody uses are discarded while others are computed, and dealt again: every number is the one that it was
// in memory never used before. Of every architecture, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/dummy.h"
#include "engine/model/state_shape_of.h"
#include "engine/run/model_backend.h"
#include "kernels/cpu/host_memory.h"
#include "tests/run/small_models.h"

namespace batucada {
namespace {

constexpr int32_t kRows = 64, kSequences = 600, kVocab = 64;

class DiscardTest : public testing::TestWithParam<std::string> {
 protected:
  DiscardTest() {
    const ModelConfig model = ConfigOf(GetParam());
    auto ops = MakeCpuOps(1);
    EXPECT_TRUE(ops.ok()) << ops.status();
    const std::unique_ptr<TensorSource> source = MakeDummySource(model, 1);
    std::string report;
    auto made = ModelBackend::Create({.model = model,
                                      .max_batch_tokens = std::max(kRows, kSequences),
                                      .max_sequences = kSequences,
                                      .controlled_sequences = kSequences,
                                      .max_total_tokens = 200,
                                      .end_tokens = {}},
                                     *source, *std::move(ops), &report);
    EXPECT_TRUE(made.ok()) << made.status();
    backend_ = *std::move(made);
    controlled_.sampling = {.temperature = 0, .frequency_penalty = 0.7F};
    for (int32_t i = 0; i < kRows; ++i) prompt_.push_back((i * 7) % kVocab);
  }

  // A prompt, or a row that goes on from it. The slot's number is that of its control row, too.
  void Step(PageId slot, int64_t start, std::vector<Drawn>* drawn) {
    std::vector<std::vector<PageId>> blocks;
    for (const KvGroupSize& group : backend_->capacity().kv) {
      std::vector<PageId>& table = blocks.emplace_back();
      for (int32_t i = 0; i < group.most_per_sequence; ++i) table.push_back(slot * group.most_per_sequence + i);
    }
    const bool decodes = start > 0;
    const int32_t rows = decodes ? 1 : kRows;
    BatchPlan plan{.step = ++step_, .num_decode = decodes ? 1 : 0, .num_tokens = rows};
    plan.sequences.push_back({.id = static_cast<SequenceId>(slot + 1),
                              .slot = slot,
                              .start = start,
                              .num_tokens = rows,
                              .tokens = std::span(prompt_).first(decodes ? 0 : kRows),
                              .blocks = blocks,
                              .control_row = slot,
                              .controlled = decodes ? nullptr : &controlled_});
    plan.samples.push_back({.row = rows - 1,
                            .slot = slot,
                            .position = start + rows,
                            .target = -1,
                            .sampling = &controlled_.sampling,
                            .control_row = slot});
    ASSERT_TRUE(backend_->Launch(plan).ok());
    const absl::StatusOr<StepResult> result = backend_->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    for (const TokenResult& token : result->samples) drawn->push_back({token.id, token.logprob});
  }
  void Run(PageId slot, int64_t begin, int64_t end, std::vector<Drawn>* drawn) {
    if (begin == 0) Step(slot, 0, drawn);
    for (int64_t position = std::max<int64_t>(begin, kRows); position < end; ++position) Step(slot, position, drawn);
  }
  // What all slots from `first` on have, up to `end`.
  void Discard(PageId first, PageId end) {
    const auto discard = [&](int32_t group, PageId each) {
      const PageRange pages{.first = first * each, .count = (end - first) * each};
      backend_->Discard({.group = group, .pages = pages, .around = pages});
    };
    discard(kSlots, 1);
    discard(kControls, 1);
    const std::vector<KvGroupSize>& kv = backend_->capacity().kv;
    for (size_t group = 0; group < kv.size(); ++group)
      discard(static_cast<int32_t>(group), kv[group].most_per_sequence);
  }

  std::unique_ptr<ModelBackend> backend_;
  Request controlled_;
  std::vector<int32_t> prompt_;
  uint64_t step_ = 0;
};

TEST_P(DiscardTest, WhatIsComputedInItsPlaceIsTheSame) {
  constexpr int64_t kEnd = 150, kHalf = 100;
  constexpr PageId kSlot = kSequences / 2;
  const auto last = kSequences - 1;
  std::vector<Drawn> fresh, discarded, between;
  Run(kSlot, 0, kEnd, &fresh);
  // Who stands there now goes on while all around it is discarded.
  Run(kSlot + 1, 0, kHalf, &between);
  for (const PageId slot : {0, kSlot - 1, kSlot + 2, last}) Run(slot, 0, kHalf, &discarded);
  const size_t before = UntouchedHostMemory();
  Discard(0, kSlot + 1);
  Discard(kSlot + 2, kSequences);
  EXPECT_GT(UntouchedHostMemory(), before) << "nothing was given back";
  Run(kSlot + 1, kHalf, kEnd, &between);
  EXPECT_EQ(between, fresh);
  for (const PageId slot : {kSlot, 0, last}) {
    discarded.clear();
    Run(slot, 0, kEnd, &discarded);
    EXPECT_EQ(discarded, fresh) << "slot " << slot;
  }
}

TEST_P(DiscardTest, WhatIsPutAsideIsAStateAndItsControls) {
  const auto ops = MakeCpuOps(1);
  ASSERT_TRUE(ops.ok()) << ops.status();
  const StateShape shape =
      StateShapeOf(ConfigOf(GetParam()), backend_->capacity().block_tokens, (*ops)->activation_dtype());
  EXPECT_GT(shape.ControlBytes(), 0);
  EXPECT_EQ(backend_->capacity().parked_slot_bytes, shape.SlotBytes() + shape.ControlBytes());
}

INSTANTIATE_TEST_SUITE_P(Architectures, DiscardTest, testing::ValuesIn(ModelNames()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace batucada
