#include "engine/state/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

constexpr int64_t kMiB = 1 << 20;

// Samba 1.7B of the design: 12 + 12 blocks, d_inner 4096, 4 K/V heads of 64, window 2,048, bf16.
StateShape Samba17B() {
  return {.recurrent = {{.layers = 12, .d_inner = 4096, .d_state = 16, .conv_width = 4}},
          .kv = {{.layers = 12, .kv_heads = 4, .head_dim = 64, .window = 2048}},
          .block_tokens = 64,
          .activation = DType::kBf16};
}

BudgetRequest Request() {
  return {.shape = Samba17B(),
          .device_bytes = 140'000 * kMiB,
          .fraction = 0.9,
          .weight_bytes = 3400 * kMiB,
          .workspace_bytes = 1000 * kMiB,
          .pool_bytes = 0,
          .max_sequences = 256,
          .max_total_tokens = 1 << 20};
}

TEST(StateShape, MatchesTheDesignsTable) {
  const StateShape shape = Samba17B();
  EXPECT_NEAR(static_cast<double>(shape.SlotBytes()) / kMiB, 3.3, 0.05);
  EXPECT_EQ(shape.BlocksFor(shape.kv[0], 1 << 20), 33);
  EXPECT_NEAR(static_cast<double>(32 * shape.BlockBytes(shape.kv[0])) / kMiB, 24, 0.1);
}

TEST(StateShape, ShortSequencesNeedFewerBlocks) {
  const StateShape shape = Samba17B();
  EXPECT_EQ(shape.BlocksFor(shape.kv[0], 1), 1);
  EXPECT_EQ(shape.BlocksFor(shape.kv[0], 64), 1);
  EXPECT_EQ(shape.BlocksFor(shape.kv[0], 65), 2);
  EXPECT_EQ(shape.BlocksFor(shape.kv[0], 2112), 33);
}

TEST(Budget, GivesEverySequenceItsWholeWindow) {
  const auto budget = ComputeBudget(Request());
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->slots, 256);
  ASSERT_EQ(budget->kv.size(), 1u);
  EXPECT_EQ(budget->kv[0].blocks, 256 * 33);
  EXPECT_EQ(budget->kv[0].most_per_sequence, 33);
  EXPECT_FALSE(budget->kv[0].grows);
}

TEST(Budget, NeverExceedsWhatMayBeUsed) {
  for (int64_t gib : {5, 6, 8, 16, 24}) {
    BudgetRequest request = Request();
    request.shape.vocab = 32'000;
    request.device_bytes = gib * 1024 * kMiB;
    const auto budget = ComputeBudget(request);
    ASSERT_TRUE(budget.ok()) << budget.status();
    EXPECT_LE(budget->control_rows, budget->slots);
    const int64_t sum = request.weight_bytes + request.workspace_bytes +
                        budget->control_rows * request.shape.ControlBytes() +
                        (budget->slots + 1) * request.shape.SlotBytes() +
                        (budget->kv[0].blocks + 1) * request.shape.BlockBytes(request.shape.kv[0]);
    EXPECT_LE(sum, static_cast<int64_t>(0.9 * static_cast<double>(request.device_bytes)));
    EXPECT_GE(budget->slots, 1);
    EXPECT_GE(budget->kv[0].blocks, 33);
  }
}

TEST(Budget, RefusesWhatCannotHoldOneSequenceWithTheNumbers) {
  BudgetRequest request = Request();
  request.device_bytes = 4900 * kMiB;
  const auto budget = ComputeBudget(request);
  ASSERT_EQ(budget.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(budget.status().message()),
              testing::AllOf(testing::HasSubstr("3.32 GiB"), testing::HasSubstr("one sequence")));
  request = Request();
  request.pool_bytes = kMiB;
  EXPECT_EQ(ComputeBudget(request).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Budget, PoolBytesBoundThePools) {
  BudgetRequest request = Request();
  request.pool_bytes = 100 * kMiB;
  const auto budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->slots, 3);
  EXPECT_LE(
      budget->slots * request.shape.SlotBytes() + budget->kv[0].blocks * request.shape.BlockBytes(request.shape.kv[0]),
      100 * kMiB);
}

TEST(Budget, PoolBytesBeyondTheRoomGiveTheRoom) {
  BudgetRequest request = Request();
  request.device_bytes = 8 * 1024 * kMiB;
  const auto all = ComputeBudget(request);
  request.pool_bytes = 1024 * 1024 * kMiB;
  const auto more = ComputeBudget(request);
  ASSERT_TRUE(all.ok() && more.ok()) << more.status();
  EXPECT_EQ(more->slots, all->slots);
  EXPECT_EQ(more->kv[0].blocks, all->kv[0].blocks);
}

TEST(Budget, ModelsWithoutAttentionOrMambaWork) {
  BudgetRequest request = Request();
  request.shape.kv.clear();
  auto budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_TRUE(budget->kv.empty());
  request = Request();
  request.shape.recurrent.clear();
  request.shape.kv[0].window = INT32_MAX;
  budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->kv[0].most_per_sequence, (1 << 20) / 64);
  EXPECT_TRUE(budget->kv[0].grows);
}

// Phi-4-mini-flash's shape: recurrent layers, small windows, and one cache of the whole text that many layers read.
TEST(Budget, DividesThePoolBetweenWindowsAndAGrowingCache) {
  BudgetRequest request = Request();
  request.shape.kv = {{.layers = 8, .kv_heads = 20, .head_dim = 64, .window = 512},
                      {.layers = 1, .kv_heads = 20, .head_dim = 64}};
  request.max_total_tokens = 65536;
  for (const int64_t gib : {6, 8, 12, 24, 80}) {
    request.device_bytes = gib * 1024 * kMiB;
    const auto budget = ComputeBudget(request);
    ASSERT_TRUE(budget.ok()) << budget.status();
    ASSERT_EQ(budget->kv.size(), 2u);
    EXPECT_EQ(budget->kv[0].most_per_sequence, 9);
    EXPECT_EQ(budget->kv[1].most_per_sequence, 1024);
    // Every slot has its windows, and the longest sequence fits.
    EXPECT_GE(budget->kv[0].blocks, budget->slots * 9);
    EXPECT_GE(budget->kv[1].blocks, 1024);
    int64_t sum = request.weight_bytes + request.workspace_bytes + (budget->slots + 1) * request.shape.SlotBytes();
    for (size_t group = 0; group < 2; ++group) {
      EXPECT_LE(budget->kv[group].blocks, int64_t{budget->slots} * budget->kv[group].most_per_sequence);
      sum += (int64_t{budget->kv[group].blocks} + 1) * request.shape.BlockBytes(request.shape.kv[group]);
    }
    EXPECT_LE(sum, static_cast<int64_t>(0.9 * static_cast<double>(request.device_bytes)));
  }
}

TEST(Budget, ControlsAreForThoseWhoUseThem) {
  BudgetRequest request = Request();
  request.shape.vocab = 32'000;
  const int64_t row = request.shape.ControlBytes();
  EXPECT_GE(row, 32'000 * 8);
  const auto plenty = ComputeBudget(request);
  ASSERT_TRUE(plenty.ok()) << plenty.status();
  EXPECT_EQ(plenty->control_rows, 256) << "a sixteenth of the pools holds more than one for each";
  EXPECT_THAT(plenty->report, testing::ContainsRegex("sampling controls +[0-9.]+ MiB +256, "));

  // Where they are large beside the pools, they do not take the sequences' place.
  request.shape.vocab = 1'000'000;
  request.pool_bytes = 1000 * kMiB;
  const auto large = ComputeBudget(request);
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->control_rows, 1000 * kMiB / 16 / request.shape.ControlBytes());
  EXPECT_GT(large->control_rows, 1);
  EXPECT_GT(large->slots, 30);

  request.controlled_sequences = 1;
  const auto one = ComputeBudget(request);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->control_rows, 1);
  EXPECT_GE(one->slots, large->slots + 1);

  // One always has a place, and what was asked for is there or refused.
  request.pool_bytes = 50 * kMiB;
  request.controlled_sequences = 0;
  const auto little = ComputeBudget(request);
  ASSERT_TRUE(little.ok()) << little.status();
  EXPECT_EQ(little->control_rows, 1);
  request.controlled_sequences = 8;
  const auto refused = ComputeBudget(request);
  ASSERT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(refused.status().message()),
      testing::AllOf(testing::HasSubstr("the controls of 7 others"), testing::HasSubstr("lower controlled-sequences")));
}

TEST(Budget, CheckpointsHaveALineOfTheirOwn) {
  BudgetRequest request = Request();
  request.prefix_bytes = kAutomatic;
  const auto automatic = ComputeBudget(request);
  ASSERT_TRUE(automatic.ok()) << automatic.status();
  // A sixteenth of what is free is 7.5 GiB, and a checkpoint 27 MiB: half as many as sequences are less.
  EXPECT_EQ(automatic->prefix.slots, 128);
  EXPECT_EQ(automatic->prefix.blocks[0], automatic->prefix.slots * 32);
  EXPECT_EQ(automatic->host.slots, 0);
  EXPECT_EQ(automatic->slots, 256);
  EXPECT_THAT(automatic->report, testing::HasSubstr("prefix cache"));

  request.prefix_bytes = 1000 * kMiB;
  request.host_bytes = 10'000 * kMiB;
  const auto both = ComputeBudget(request);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_NEAR(both->prefix.slots, 36, 2);
  EXPECT_NEAR(both->host.slots, 365, 5);

  request.prefix_bytes = 10 * kMiB;
  const auto little = ComputeBudget(request);
  ASSERT_TRUE(little.ok()) << little.status();
  EXPECT_EQ(little->prefix.slots, 0);
  EXPECT_EQ(little->host.slots, 0);
  EXPECT_THAT(little->report, testing::HasSubstr("off"));
}

TEST(Budget, ParkedSequencesLieInTheHostsMemory) {
  BudgetRequest request = Request();
  const auto none = ComputeBudget(request);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->parked.slots, 0);
  EXPECT_THAT(none->report, testing::Not(testing::HasSubstr("parked")));
  request.parked_sequences = 8;
  request.shape.kv.push_back({.layers = 1, .kv_heads = 2, .head_dim = 64});
  request.max_total_tokens = 65536;
  const auto some = ComputeBudget(request);
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_EQ(some->parked.slots, 8);
  EXPECT_EQ(some->parked.blocks[0], 8 * some->kv[0].most_per_sequence) << "a window's ring each";
  EXPECT_EQ(some->parked.blocks[1], 8 * 8192 / request.shape.block_tokens) << "of what grows, a common length each";
  EXPECT_THAT(some->report, testing::HasSubstr("parked sequences"));
}

// Blocks of a growing cache lie in the sequences' own pool, and take nothing of the line.
TEST(Budget, CheckpointsOfGrowingCachesShareBlocks) {
  BudgetRequest request = Request();
  request.shape.kv[0].window = INT32_MAX;
  request.prefix_bytes = 1000 * kMiB;
  request.host_bytes = 10'000 * kMiB;
  request.max_total_tokens = 65536;
  const auto budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_NEAR(budget->prefix.slots, 1000 / 3.3, 10);
  EXPECT_EQ(budget->prefix.blocks[0], 0);
  EXPECT_GE(budget->host.blocks[0], 128);
}

}  // namespace
}  // namespace batucada
