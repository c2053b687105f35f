#include "engine/state/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

constexpr int64_t kMiB = 1 << 20;

// Samba 1.7B of the design: 12 + 12 blocks, d_inner 4096, 4 K/V heads of 64, window 2,048, bf16.
StateShape Samba17B() {
  return {.mamba_layers = 12,
          .d_inner = 4096,
          .d_state = 16,
          .conv_width = 4,
          .attention_layers = 12,
          .kv_heads = 4,
          .head_dim = 64,
          .window = 2048,
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
  EXPECT_EQ(shape.BlocksFor(1 << 20), 33);
  EXPECT_NEAR(static_cast<double>(32 * shape.BlockBytes()) / kMiB, 24, 0.1);
}

TEST(StateShape, ShortSequencesNeedFewerBlocks) {
  const StateShape shape = Samba17B();
  EXPECT_EQ(shape.BlocksFor(1), 1);
  EXPECT_EQ(shape.BlocksFor(64), 1);
  EXPECT_EQ(shape.BlocksFor(65), 2);
  EXPECT_EQ(shape.BlocksFor(2112), 33);
}

TEST(Budget, GivesEverySequenceItsWholeWindow) {
  const auto budget = ComputeBudget(Request());
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->slots, 256);
  EXPECT_EQ(budget->blocks, 256 * 33);
  EXPECT_EQ(budget->blocks_per_sequence, 33);
}

TEST(Budget, NeverExceedsWhatMayBeUsed) {
  for (int64_t gib : {5, 6, 8, 16, 24}) {
    BudgetRequest request = Request();
    request.device_bytes = gib * 1024 * kMiB;
    const auto budget = ComputeBudget(request);
    ASSERT_TRUE(budget.ok()) << budget.status();
    const int64_t sum = request.weight_bytes + request.workspace_bytes +
                        (budget->slots + 1) * request.shape.SlotBytes() +
                        (budget->blocks + 1) * request.shape.BlockBytes();
    EXPECT_LE(sum, static_cast<int64_t>(0.9 * static_cast<double>(request.device_bytes)));
    EXPECT_GE(budget->slots, 1);
    EXPECT_GE(budget->blocks, 33);
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
  EXPECT_LE(budget->slots * request.shape.SlotBytes() + budget->blocks * request.shape.BlockBytes(), 100 * kMiB);
}

TEST(Budget, ModelsWithoutAttentionOrMambaWork) {
  BudgetRequest request = Request();
  request.shape.attention_layers = 0;
  auto budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->blocks, 0);
  EXPECT_EQ(budget->blocks_per_sequence, 0);
  request = Request();
  request.shape.mamba_layers = 0;
  request.shape.window = INT32_MAX;
  budget = ComputeBudget(request);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->blocks_per_sequence, (1 << 20) / 64);
}

}  // namespace
}  // namespace batucada
