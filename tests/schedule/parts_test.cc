// Where steps are cut: whose rows are in which plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/schedule/scheduler.h"
#include "tests/schedule/anything_goes.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Prompts of up to 16 tokens are short.
class SchedulerPartsTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 128,
            .cuts_steps = true,
            .max_waiting = 100,
            .max_steps_in_flight = 2,
            .slots = 8,
            .block_tokens = 16};
  }

  void Add(SequenceId id, size_t length, int64_t max_tokens) {
    ASSERT_TRUE(
        scheduler.Add(id, {.prompt = std::vector<int32_t>(length, 5), .max_tokens = max_tokens}, clock.Now()).ok());
  }
  BatchPlan Plan() {
    std::optional<BatchPlan> plan = scheduler.Plan(clock.Now());
    EXPECT_TRUE(plan.has_value());
    return plan ? *std::move(plan) : BatchPlan{};
  }
  void Commit(const BatchPlan& plan) {
    scheduler.Commit({.step = plan.step, .samples = std::vector<TokenResult>(plan.samples.size(), {.id = 7})},
                     clock.Now());
    for (const SequenceEvent& event : scheduler.TakeEvents()) told.push_back(event.id);
  }
  static std::vector<SequenceId> Ids(const BatchPlan& plan) {
    std::vector<SequenceId> ids;
    for (const PlannedSequence& s : plan.sequences) ids.push_back(s.id);
    return ids;
  }

  ManualClock clock;
  Scheduler scheduler{Config()};
  std::vector<SequenceId> told;
};

TEST_F(SchedulerPartsTest, ALongPromptIsInPartsAndOthersRunBetweenThem) {
  Add(1, 300, 2);
  const BatchPlan parts = Plan();
  EXPECT_TRUE(parts.in_parts);
  EXPECT_EQ(parts.num_tokens, 128);
  EXPECT_FALSE(scheduler.Plan(clock.Now()).has_value()) << "nobody else is there, and it is in the one in parts";
  Add(2, 3, 2);
  Add(3, 200, 1);
  const BatchPlan prompt = Plan();
  EXPECT_FALSE(prompt.in_parts);
  EXPECT_THAT(Ids(prompt), ElementsAre(2)) << "a long one waits for the next in parts";
  Commit(prompt);
  EXPECT_THAT(told, ElementsAre(2)) << "before the plan that was made before it";
  const BatchPlan token = Plan();
  EXPECT_THAT(Ids(token), ElementsAre(2));
  scheduler.PartsLaunched();
  Commit(token);
  Commit(parts);
  const BatchPlan next = Plan();
  EXPECT_TRUE(next.in_parts);
  EXPECT_THAT(Ids(next), ElementsAre(1, 3));
}

TEST_F(SchedulerPartsTest, WhoGeneratesHasATurnBetweenTwoPlansInParts) {
  Add(1, 2, 50);
  Commit(Plan());
  Add(2, 1000, 1);
  const BatchPlan first = Plan();
  EXPECT_TRUE(first.in_parts);
  EXPECT_EQ(first.num_decode, 0);
  scheduler.PartsLaunched();
  const BatchPlan turn = Plan();
  EXPECT_THAT(Ids(turn), ElementsAre(1));
  Commit(first);
  EXPECT_TRUE(Plan().in_parts) << "the turn was its own";
}

TEST_F(SchedulerPartsTest, WhoIsInPartsComputesNothingElseBeforeTheLastIsLaunched) {
  Add(1, 100, 5);
  const BatchPlan parts = Plan();
  ASSERT_TRUE(parts.in_parts);
  EXPECT_FALSE(scheduler.Plan(clock.Now()).has_value());
  scheduler.PartsLaunched();
  const BatchPlan token = Plan();  // its first token is in flight
  EXPECT_EQ(token.num_decode, 1);
  EXPECT_EQ(token.sequences[0].start, 100);
  Commit(parts);
  Commit(token);
  EXPECT_THAT(told, ElementsAre(1, 1));
}

TEST_F(SchedulerPartsTest, LittleWorkIsOneStepWhereNobodyGenerates) {
  Add(1, 30, 1);
  Add(2, 20, 1);
  const BatchPlan both = Plan();
  EXPECT_FALSE(both.in_parts);
  EXPECT_THAT(Ids(both), ElementsAre(1, 2));
  Commit(both);
  Add(3, 65, 1);
  EXPECT_TRUE(Plan().in_parts);
}

TEST_F(SchedulerPartsTest, PromptsWeighMoreWhereManyWaitForThem) {
  EXPECT_EQ(scheduler.PromptWeight(), 1) << "half of the time";
  for (const SequenceId id : {1, 2}) Add(id, 2, 50);
  Commit(Plan());
  EXPECT_EQ(scheduler.PromptWeight(), 1);
  Add(3, 500, 1);
  Plan();
  EXPECT_EQ(scheduler.PromptWeight(), 2) << "one waits, two generate";
  for (const SequenceId id : {4, 5, 6, 7, 8}) Add(id, 500, 1);
  Plan();
  EXPECT_EQ(scheduler.PromptWeight(), 8) << "and no more";
}

TEST_F(SchedulerPartsTest, AShortPromptHasATurnBetweenTwoPlansInParts) {
  for (const SequenceId id : {1, 2}) Add(id, 500, 1);
  const BatchPlan first = Plan();
  ASSERT_TRUE(first.in_parts);
  scheduler.PartsLaunched();  // all at once
  Add(3, 2, 1);
  const BatchPlan turn = Plan();
  EXPECT_FALSE(turn.in_parts);
  EXPECT_THAT(Ids(turn), ElementsAre(3));
}

TEST_F(SchedulerPartsTest, AShareOfLessMeansLess) {
  SchedulerConfig config = Config();
  for (const auto& [share, weight] : {std::pair(0.2, 1.0), {0.5, 4.0}, {0.8, 16.0}, {0.95, 19.0}}) {
    config.prompt_share = share;
    Scheduler other(config);
    ASSERT_TRUE(other.Add(1, {.prompt = std::vector<int32_t>(2, 5), .max_tokens = 9}, clock.Now()).ok());
    const std::optional<BatchPlan> prompt = other.Plan(clock.Now());
    ASSERT_TRUE(prompt.has_value());
    other.Commit({.step = prompt->step, .samples = {{.id = 7}}}, clock.Now());
    ASSERT_TRUE(other.Add(2, {.prompt = std::vector<int32_t>(500, 5), .max_tokens = 1}, clock.Now()).ok());
    ASSERT_TRUE(other.Plan(clock.Now())->in_parts);
    EXPECT_NEAR(other.PromptWeight(), weight, 1e-9) << share;
  }
}

TEST_F(SchedulerPartsTest, WhatMasksMayTakeStaysWhereItIsUntilTheyAreMade) {
  const auto constraint = std::make_shared<AnythingGoes>();
  Request request{.prompt = std::vector<int32_t>(100, 5), .max_tokens = 3};
  request.constraint = constraint;
  ASSERT_TRUE(scheduler.Add(1, request, clock.Now()).ok());
  const BatchPlan parts = Plan();
  ASSERT_TRUE(parts.in_parts && parts.constrained);
  int64_t* const steps = parts.samples.at(0).mask_steps;
  for (SequenceId id = 2; id < 6; ++id) {
    clock.Advance(absl::Milliseconds(1));
    Add(id, 2, 1);
    Commit(Plan());  // refills what is full already
  }
  scheduler.PartsLaunched();
  ASSERT_TRUE(parts.samples.at(0).constraint->Mask({}, steps).ok());
  EXPECT_EQ(*steps, MaskBudgets::kMost + MaskBudgets::kMore - 1);
  Commit(parts);
  const BatchPlan token = Plan();
  ASSERT_EQ(token.num_decode, 1);
  EXPECT_EQ(token.samples.at(0).mask_steps, steps) << "the client's own, still";
}

TEST_F(SchedulerPartsTest, AFailureForgetsThePlanInParts) {
  Add(1, 100, 5);
  ASSERT_TRUE(Plan().in_parts);
  scheduler.CancelAll(FinishReason::kError, clock.Now(), "the device failed", /*abandon_steps=*/true);
  EXPECT_TRUE(scheduler.idle());
  EXPECT_EQ(scheduler.stats().steps_in_flight, 0);
  Add(2, 100, 1);
  const BatchPlan parts = Plan();
  EXPECT_TRUE(parts.in_parts);
  scheduler.PartsLaunched();
  Commit(parts);
  EXPECT_TRUE(scheduler.idle());
}

}  // namespace
}  // namespace batucada
