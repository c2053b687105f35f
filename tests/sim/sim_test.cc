#include "tests/sim/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada::sim {
namespace {

using testing::HasSubstr;

TEST(Simulation, AMillionStepsOfManyLivesBreakNoRule) {
  Outcome all;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Outcome one = Simulate(seed, 5000);
    ASSERT_EQ(one.violation, "") << "seed " << seed << ", after " << one.steps << " steps";
    all.steps += one.steps;
    all.accepted += one.accepted;
    all.refused += one.refused;
    all.failures += one.failures;
    for (size_t i = 0; i < 7; ++i) all.ended[i] += one.ended[i];
  }
  EXPECT_GE(all.steps, 1'000'000u);
  EXPECT_GT(all.refused, 1000u) << "queues were full now and then";
  EXPECT_GT(all.failures, 100u);
  uint64_t ended = 0;
  for (const FinishReason reason : {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled,
                                    FinishReason::kDeadline, FinishReason::kOverrun, FinishReason::kError}) {
    EXPECT_GT(all.ended[static_cast<size_t>(reason)], 100u) << "reason " << static_cast<int>(reason);
    ended += all.ended[static_cast<size_t>(reason)];
  }
  EXPECT_EQ(ended, all.accepted) << "everybody who was accepted ended once";
}

TEST(Simulation, ASeedIsALife) {
  EXPECT_EQ(Simulate(7, 3000).digest, Simulate(7, 3000).digest);
  EXPECT_NE(Simulate(7, 3000).digest, Simulate(8, 3000).digest);
}

// What the referee says of lives that break a rule.
class RefereeTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 16,
            .max_waiting = 4,
            .max_steps_in_flight = 2,
            .slots = 2,
            .blocks = 4,
            .block_tokens = 8,
            .max_blocks_per_sequence = 2,
            .end_tokens = {kEndToken}};
  }
  static Request ShortRequest() { return {.prompt = {1, 2, 3, 4}, .max_tokens = 2}; }

  RefereeTest() {
    referee.OnAccepted(1, request);
    referee.OnAccepted(2, request);
  }

  // A chunk of the whole prompt.
  PlannedSequence Share(SequenceId id, PageId slot) {
    return {.id = id, .slot = slot, .start = 0, .num_tokens = 4, .tokens = request.prompt, .blocks = blocks[slot]};
  }
  BatchPlan Plan(std::vector<PlannedSequence> shares) {
    BatchPlan plan{.step = ++step};
    for (const PlannedSequence& share : shares) {
      plan.num_tokens += share.num_tokens;
      plan.samples.push_back(
          {.row = plan.num_tokens - 1, .slot = share.slot, .position = share.start + share.num_tokens});
    }
    plan.sequences = std::move(shares);
    return plan;
  }
  std::string Violation(const BatchPlan& plan) {
    referee.OnPlan(plan, absl::UnixEpoch());
    return referee.violation();
  }

  const Request request = ShortRequest();
  const std::vector<PageId> blocks[2] = {{0}, {1}};
  uint64_t step = 0;
  Referee referee{Config()};
};

TEST_F(RefereeTest, LetsSoundPlansPass) {
  EXPECT_EQ(Violation(Plan({Share(1, 0), Share(2, 1)})), "");
  const StepResult result{.step = 1, .samples = {{.id = 5}, {.id = kEndToken}}};
  referee.OnResult(result);
  Finish finish{.reason = FinishReason::kStop, .generated_tokens = 1};
  referee.OnEvents(
      {{.id = 1, .token = TokenResult{.id = 5}}, {.id = 2, .token = TokenResult{.id = 0}, .finish = finish}});
  EXPECT_EQ(referee.violation(), "");
  EXPECT_EQ(referee.alive(), 1u);
}

TEST_F(RefereeTest, SeesPagesInTwoHands) {
  EXPECT_THAT(Violation(Plan({Share(1, 0), Share(2, 0)})), HasSubstr("pages"));
}

TEST_F(RefereeTest, SeesPagesThatAStepInFlightStillWrites) {
  Violation(Plan({Share(1, 0), Share(2, 1)}));
  referee.OnEvents({{.id = 1, .finish = Finish{.reason = FinishReason::kCancelled}}});
  referee.OnAccepted(3, request);
  BatchPlan plan = Plan({Share(3, 0)});
  EXPECT_THAT(Violation(plan), HasSubstr("decode"));  // 2 is forgotten, too
  EXPECT_EQ(referee.alive(), 2u);
}

TEST_F(RefereeTest, SeesWrongPositionsAndPrompts) {
  PlannedSequence late = Share(1, 0);
  late.start = 1;
  late.num_tokens = 3;
  late.tokens = late.tokens.subspan(1);
  EXPECT_THAT(Violation(Plan({late, Share(2, 1)})), HasSubstr("positions: 1 goes on at 1, not at 0"));
}

TEST_F(RefereeTest, SeesAnotherPrompt) {
  const std::vector<int32_t> wrong = {1, 2, 9, 4};
  PlannedSequence share = Share(1, 0);
  share.tokens = wrong;
  EXPECT_THAT(Violation(Plan({share, Share(2, 1)})), HasSubstr("not its prompt"));
}

TEST_F(RefereeTest, SeesWhoIsPassedOver) {
  EXPECT_THAT(Violation(Plan({Share(2, 1)})), HasSubstr("order: 2 is admitted before 1"));
}

TEST_F(RefereeTest, SeesTooManyRows) {
  BatchPlan plan = Plan({Share(1, 0), Share(2, 1)});
  plan.num_tokens = 17;
  EXPECT_THAT(Violation(plan), HasSubstr("budget"));
}

TEST_F(RefereeTest, SeesStuckLives) {
  referee.OnNoPlan(/*steps_in_flight=*/false);
  EXPECT_THAT(referee.violation(), HasSubstr("nothing is planned"));
}

TEST_F(RefereeTest, SeesASecondEnd) {
  const SequenceEvent end{.id = 1, .finish = Finish{.reason = FinishReason::kCancelled}};
  referee.OnEvents({end, end});
  EXPECT_THAT(referee.violation(), HasSubstr("one end"));
}

TEST_F(RefereeTest, SeesTokensThatWereNotDrawn) {
  Violation(Plan({Share(1, 0), Share(2, 1)}));
  referee.OnResult({.step = 1, .samples = {{.id = 5}, {.id = 6}}});
  referee.OnEvents({{.id = 1, .token = TokenResult{.id = 6}}});
  EXPECT_THAT(referee.violation(), HasSubstr("not drawn"));
}

TEST_F(RefereeTest, SeesLeaks) {
  for (const SequenceId id : {1, 2})
    referee.OnEvents({{.id = id, .finish = Finish{.reason = FinishReason::kCancelled}}});
  referee.OnStats({.slots_used = 1});
  EXPECT_THAT(referee.violation(), HasSubstr("no leak"));
}

}  // namespace
}  // namespace batucada::sim
