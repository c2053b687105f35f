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
    all.kept += one.kept;
    all.rejected += one.rejected;
    all.parked += one.parked;
    all.returned += one.returned;
    for (size_t i = 0; i < 7; ++i) all.ended[i] += one.ended[i];
  }
  EXPECT_GE(all.steps, 1'000'000u);
  EXPECT_GT(all.refused, 1000u) << "queues were full now and then";
  EXPECT_GT(all.failures, 100u);
  EXPECT_GT(all.kept, 100'000u) << "rows of drafts";
  EXPECT_GT(all.rejected, 100'000u);
  EXPECT_GT(all.parked, 1000u);
  EXPECT_GT(all.returned, 1000u);
  EXPECT_GT(all.parked, all.returned) << "some ended while they were parked";
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
            .kv = {{.blocks = 4, .most_per_sequence = 2}},
            .block_tokens = 8,
            .end_tokens = {kEndToken}};
  }
  static Request ShortRequest() { return {.prompt = {1, 2, 3, 4}, .max_tokens = 2}; }

  RefereeTest() {
    referee.OnAccepted(1, request);
    referee.OnAccepted(2, request);
  }

  // A chunk of the whole prompt.
  PlannedSequence Share(SequenceId id, PageId slot) {
    return {
        .id = id, .slot = slot, .start = 0, .num_tokens = 4, .tokens = request.prompt.vector(), .blocks = blocks[slot]};
  }
  BatchPlan Plan(std::vector<PlannedSequence> shares) {
    BatchPlan plan{.step = ++step};
    for (const PlannedSequence& share : shares) {
      if (share.start == 0) plan.placements.push_back({.id = share.id});
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
  const std::vector<std::vector<PageId>> blocks[2] = {{{0}}, {{1}}};
  uint64_t step = 0;
  Referee referee{Config()};
};

TEST_F(RefereeTest, LetsSoundPlansPass) {
  EXPECT_EQ(Violation(Plan({Share(1, 0), Share(2, 1)})), "");
  const StepResult result{.step = 1, .samples = {{.id = 5}, {.id = kEndToken}}};
  referee.OnResult(result);
  Finish finish{.reason = FinishReason::kStop, .generated_tokens = 1};
  referee.OnEvent({.id = 1, .token = TokenResult{.id = 5}});
  referee.OnEvent({.id = 2, .token = TokenResult{.id = 0}, .finish = std::make_unique<Finish>(finish)});
  EXPECT_EQ(referee.violation(), "");
  EXPECT_EQ(referee.alive(), 1u);
}

TEST_F(RefereeTest, SeesPagesInTwoHands) {
  EXPECT_THAT(Violation(Plan({Share(1, 0), Share(2, 0)})), HasSubstr("pages"));
}

TEST_F(RefereeTest, SeesPagesThatAStepInFlightStillWrites) {
  // 2 draws its last token, so that the next plan owes it nothing.
  referee.OnAccepted(3, Request{.prompt = {1, 2, 3, 4}, .max_tokens = 1});
  referee.OnEvent(EndOf(2, Finish{.reason = FinishReason::kCancelled}));
  EXPECT_EQ(Violation(Plan({Share(1, 0)})), "");
  referee.OnEvent(EndOf(1, Finish{.reason = FinishReason::kCancelled}));
  const std::vector<std::vector<PageId>> other = {{3}};
  PlannedSequence share = Share(3, 0);
  share.blocks = other;
  EXPECT_THAT(Violation(Plan({share})), HasSubstr("pages that a step in flight still writes"));
}

TEST_F(RefereeTest, SeesWrongPositionsAndPrompts) {
  PlannedSequence late = Share(1, 0);
  late.start = 1;
  late.num_tokens = 3;
  late.tokens = late.tokens.subspan(1);
  BatchPlan plan = Plan({late, Share(2, 1)});
  plan.placements = {{.id = 1}, {.id = 2}};
  EXPECT_THAT(Violation(plan), HasSubstr("positions: 1 goes on at 1, not at 0"));
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

TEST_F(RefereeTest, SeesRowsOfSomebodyWhoWaits) {
  BatchPlan plan = Plan({Share(1, 0), Share(2, 1)});
  plan.placements.pop_back();
  EXPECT_THAT(Violation(plan), HasSubstr("order: 2 has rows and was not admitted"));
}

// What two clients' requests get, of which one has many choices.
class RefereeSharesTest : public testing::Test {
 protected:
  static SchedulerConfig Config(double request_share) {
    return {.max_batch_tokens = 64,
            .max_waiting = 10,
            .slots = 4,
            .request_share = request_share,
            .end_tokens = {kEndToken}};
  }
  static Request Of(uint64_t client, uint64_t group) {
    return {.prompt = {1, 2, 3, 4}, .max_tokens = 2, .client = client, .group = group};
  }
  // What is said when these are admitted in this order, with a row each.
  std::string Violation(const std::vector<SequenceId>& ids) {
    BatchPlan plan{.step = 1};
    for (const SequenceId id : ids) {
      plan.placements.push_back({.id = id});
      plan.sequences.push_back({.id = id,
                                .slot = static_cast<PageId>(plan.sequences.size()),
                                .num_tokens = 1,
                                .tokens = std::span(prompt).first(1)});
      ++plan.num_tokens;
    }
    referee.OnPlan(plan, absl::UnixEpoch());
    return referee.violation();
  }

  const std::vector<int32_t> prompt = {1, 2, 3, 4};
  Referee referee{Config(/*request_share=*/1)};
};

TEST_F(RefereeSharesTest, SeesAClientThatPassesOneWhoRunsLess) {
  for (SequenceId id = 1; id <= 3; ++id) referee.OnAccepted(id, Of(7, id));
  referee.OnAccepted(4, Of(8, 4));
  EXPECT_THAT(Violation({1, 2, 4, 3}), HasSubstr("order: 2 is admitted before 4"));
}

TEST_F(RefereeSharesTest, SeesARequestThatPassesOneThatRunsLess) {
  for (SequenceId id = 1; id <= 3; ++id) referee.OnAccepted(id, Of(7, 1));
  referee.OnAccepted(4, Of(7, 4));
  EXPECT_THAT(Violation({1, 2, 4, 3}), HasSubstr("order: 2 is admitted before 4"));
}

TEST_F(RefereeSharesTest, LetsTurnsPass) {
  for (SequenceId id = 1; id <= 3; ++id) referee.OnAccepted(id, Of(7, 1));
  referee.OnAccepted(4, Of(7, 4));
  referee.OnAccepted(5, Of(8, 5));
  EXPECT_EQ(Violation({1, 5, 4, 2}), "");
}

TEST_F(RefereeSharesTest, SeesWhoTakesMoreThanItsShare) {
  referee = Referee(Config(0.5));
  for (SequenceId id = 1; id <= 3; ++id) referee.OnAccepted(id, Of(7, 1));
  EXPECT_THAT(Violation({1, 2, 3}), HasSubstr("share: 3"));
}

TEST_F(RefereeSharesTest, SeesWhoCouldHaveMoreAndWaits) {
  referee = Referee(Config(0.5));
  for (SequenceId id = 1; id <= 3; ++id) referee.OnAccepted(id, Of(7, 1));
  EXPECT_EQ(Violation({1}), "");
  referee.OnStats({.running = 1, .waiting = 2, .waiting_tokens = 8, .slots_used = 1}, /*planned=*/true);
  EXPECT_THAT(referee.violation(), HasSubstr("no starvation"));
}

TEST_F(RefereeSharesTest, SeesChoicesThatAreTooMany) {
  for (SequenceId id = 1; id <= 12; ++id) referee.OnAccepted(id, Of(7, 1));
  referee.OnStats({.waiting = 12, .waiting_tokens = 48});
  EXPECT_THAT(referee.violation(), HasSubstr("bounds: 12 of 48 tokens")) << "a request and eleven choices more";
}

TEST_F(RefereeTest, SeesTooManyRows) {
  BatchPlan plan = Plan({Share(1, 0), Share(2, 1)});
  plan.num_tokens = 17;
  EXPECT_THAT(Violation(plan), HasSubstr("budget"));
}

TEST_F(RefereeTest, SeesStuckLives) {
  referee.OnNoPlan(/*steps_in_flight=*/false, absl::UnixEpoch());
  EXPECT_THAT(referee.violation(), HasSubstr("nothing is planned"));
}

TEST_F(RefereeTest, SeesASecondEnd) {
  const SequenceEvent end = EndOf(1, Finish{.reason = FinishReason::kCancelled});
  for (int time = 0; time < 2; ++time) referee.OnEvent(end);
  EXPECT_THAT(referee.violation(), HasSubstr("one end"));
}

TEST_F(RefereeTest, SeesTokensThatWereNotDrawn) {
  Violation(Plan({Share(1, 0), Share(2, 1)}));
  referee.OnResult({.step = 1, .samples = {{.id = 5}, {.id = 6}}});
  referee.OnEvent({.id = 1, .token = TokenResult{.id = 6}});
  EXPECT_THAT(referee.violation(), HasSubstr("not drawn"));
}

TEST_F(RefereeTest, SeesWhoGoesOnWithNothingDrawn) {
  Violation(Plan({Share(1, 0), Share(2, 1)}));
  referee.OnResult({.step = 1, .samples = {{.id = kNothingDrawn}, {.id = kNothingDrawn}}});
  referee.OnEvent(EndOf(1, Finish{.reason = FinishReason::kError, .message = "why"}));
  EXPECT_EQ(referee.violation(), "");
  Referee told = referee;
  told.OnEvent({.id = 2, .token = TokenResult{.id = kNothingDrawn}});
  EXPECT_THAT(told.violation(), HasSubstr("tokens: 2 is told a token that is none"));
  referee.OnStats({.running = 1, .slots_used = 1, .blocks_used = 1});
  EXPECT_THAT(referee.violation(), HasSubstr("goes on although nothing could be drawn"));
}

TEST_F(RefereeTest, SeesWhoShouldDecodeAndDoesNot) {
  Violation(Plan({Share(1, 0), Share(2, 1)}));
  EXPECT_THAT(Violation(Plan({})), HasSubstr("progress: 2 decode, 0 are in the plan"));
}

TEST_F(RefereeTest, SeesRowsThatPromptsDoNotGet) {
  EXPECT_EQ(Violation(Plan({Share(1, 0), Share(2, 1)})), "");
  Referee other{Config()};
  other.OnAccepted(1, Request{.prompt = {1, 2, 3, 4, 5, 6, 7, 8}, .max_tokens = 1});
  PlannedSequence share = Share(1, 0);
  BatchPlan plan = Plan({share});
  plan.step = 1;
  plan.samples.clear();
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_EQ(other.violation(), "");
  other.OnAccepted(2, request);
  share = Share(2, 1);
  plan = Plan({share});
  plan.step = 2;
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_THAT(other.violation(), HasSubstr("the prompt of 1 gets none"));
}

TEST_F(RefereeTest, SeesSamplesOfOtherRows) {
  BatchPlan plan = Plan({Share(1, 0), Share(2, 1)});
  --plan.samples.back().row;
  EXPECT_THAT(Violation(plan), HasSubstr("rows: a sample of 2"));
}

TEST_F(RefereeTest, SeesLivesPastTheirDeadline) {
  referee.OnAccepted(3, Request{.prompt = {1}, .deadline = absl::UnixEpoch()});
  EXPECT_THAT(Violation(Plan({Share(1, 0), Share(2, 1)})), HasSubstr("deadlines: 3"));
}

TEST_F(RefereeTest, SeesStarvation) {
  referee.OnStats({.waiting = 2, .waiting_tokens = 8}, /*planned=*/false);
  EXPECT_EQ(referee.violation(), "") << "nothing has been planned yet";
  referee.OnStats({.waiting = 2, .waiting_tokens = 8}, /*planned=*/true);
  EXPECT_THAT(referee.violation(), HasSubstr("no starvation"));
}

TEST_F(RefereeTest, SeesQueuesThatAreTooLong) {
  for (SequenceId id = 3; id <= 5; ++id) referee.OnAccepted(id, request);
  referee.OnStats({.waiting = 5, .waiting_tokens = 20});
  EXPECT_THAT(referee.violation(), HasSubstr("bounds: 5 of 20 tokens"));
  SchedulerConfig config = Config();
  config.max_waiting_tokens = 7;
  Referee small{config};
  for (SequenceId id = 1; id <= 2; ++id) small.OnAccepted(id, request);
  small.OnStats({.waiting = 2, .waiting_tokens = 8});
  EXPECT_THAT(small.violation(), HasSubstr("bounds: 2 of 8 tokens"));
}

TEST_F(RefereeTest, SeesLeaksWhileOthersLive) {
  EXPECT_EQ(Violation(Plan({Share(1, 0), Share(2, 1)})), "");
  referee.OnEvent(EndOf(1, Finish{.reason = FinishReason::kCancelled}));
  referee.OnStats({.running = 2, .slots_used = 2, .blocks_used = 2});
  EXPECT_EQ(referee.violation(), "") << "its step is still in flight";
  referee.OnResult({.step = 1, .samples = {{.id = 5}, {.id = 6}}});
  referee.OnStats({.running = 1, .slots_used = 1, .blocks_used = 2});
  EXPECT_THAT(referee.violation(), HasSubstr("no leak: 2 blocks are used, not 1"));
}

TEST_F(RefereeTest, SeesLeaks) {
  for (const SequenceId id : {1, 2}) referee.OnEvent(EndOf(id, Finish{.reason = FinishReason::kCancelled}));
  referee.OnStats({.slots_used = 1});
  EXPECT_THAT(referee.violation(), HasSubstr("no leak"));
}

}  // namespace
}  // namespace batucada::sim
