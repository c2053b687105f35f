// What the referee says of decode shares of several rows that break a rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

#include "tests/sim/referee.h"

namespace batucada::sim {
namespace {

using testing::HasSubstr;

class RefereeRowsTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 12,
            .max_steps_in_flight = 2,
            .slots = 2,
            .control_rows = 1,
            .block_tokens = 8,
            .max_decode_rows = 4};
  }

  // One sequence whose prompt is computed and has drawn 5; it may draw nine more.
  RefereeRowsTest() {
    referee.OnAccepted(1, request);
    BatchPlan plan{.step = ++step, .num_tokens = 2};
    plan.placements = {{.id = 1}};
    plan.sequences = {{.id = 1, .slot = 0, .num_tokens = 2, .tokens = request.prompt.vector()}};
    plan.samples = {{.row = 1, .slot = 0, .position = 2}};
    referee.OnPlan(plan, absl::UnixEpoch());
    Result({5}, {});
    referee.OnEvent({.id = 1, .token = TokenResult{.id = 5}});
    EXPECT_EQ(referee.violation(), "");
  }

  // The same to another one, whose steps go on with the second.
  void Begin(Referee& other) {
    other.OnAccepted(1, request);
    BatchPlan first{.step = 1, .num_tokens = 2};
    first.placements = {{.id = 1}};
    first.sequences = {{.id = 1, .slot = 0, .num_tokens = 2, .tokens = request.prompt.vector()}};
    first.samples = {{.row = 1, .slot = 0, .position = 2}};
    other.OnPlan(first, absl::UnixEpoch());
    other.OnResult({.step = 1, .samples = {{.id = 5}}});
  }

  // A share of the drafts and the row before them.
  BatchPlan Plan(int64_t start, std::vector<int32_t> guesses, int32_t undecided = 0) {
    const std::vector<int32_t>& fed = fed_.emplace_back(std::move(guesses));
    const auto rows = static_cast<int32_t>(fed.size()) + 1;
    BatchPlan plan{.step = ++step, .num_decode = 1, .num_tokens = rows};
    plan.sequences = {
        {.id = 1, .slot = 0, .start = start, .undecided = undecided, .num_tokens = rows, .tokens = {}, .drafts = fed}};
    for (int32_t row = 0; row < rows; ++row) {
      plan.samples.push_back({.row = row, .slot = 0, .position = start + row + 1});
    }
    return plan;
  }
  std::string Violation(const BatchPlan& plan) {
    referee.OnPlan(plan, absl::UnixEpoch());
    return referee.violation();
  }
  void Result(const std::vector<int32_t>& ids, const std::vector<int32_t>& kept) {
    StepResult result{.step = step, .samples = {}, .kept = kept};
    for (const int32_t id : ids) result.samples.push_back({.id = id, .top = {}});
    referee.OnResult(result);
  }
  void Told(int32_t id) { referee.OnEvent({.id = 1, .token = TokenResult{.id = id}}); }

  const Request request{.prompt = {1, 2}, .max_tokens = 10};
  const std::vector<int32_t> drafts = {6, 7, 8};
  uint64_t step = 0;
  Referee referee{Config()};

 private:
  std::deque<std::vector<int32_t>> fed_;
};

TEST_F(RefereeRowsTest, LetsRowsBeRejected) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  Result({6, 9, 8, 3}, {2});
  Told(6);
  Told(9);
  EXPECT_EQ(Violation(Plan(4, drafts)), "");
}

TEST_F(RefereeRowsTest, LetsTwoStepsBeInFlight) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  EXPECT_EQ(Violation(Plan(6, drafts, /*undecided=*/3)), "");
  --step;
  Result({6, 9, 8, 3}, {2});
  ++step;
  EXPECT_EQ(Violation(Plan(8, {}, /*undecided=*/3)), "") << "two were rejected, three still may be";
}

TEST_F(RefereeRowsTest, SeesRowsThatAreKeptWrongly) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  Result({6, 9, 8, 3}, {3});
  EXPECT_THAT(referee.violation(), HasSubstr("drafts: 2 rows of 1 were right, 3 are kept"));
}

TEST_F(RefereeRowsTest, SeesRowsThatAreDroppedWrongly) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  Result({6, 9, 8, 3}, {1});
  EXPECT_THAT(referee.violation(), HasSubstr("drafts: 2 rows of 1 were right, 1 are kept"));
}

TEST_F(RefereeRowsTest, SeesWhatARejectedRowDrewBeingTold) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  Result({6, 9, 8, 3}, {2});
  Told(6);
  Told(9);
  Told(8);
  EXPECT_THAT(referee.violation(), HasSubstr("tokens: 1 is told what was not drawn"));
}

TEST_F(RefereeRowsTest, SeesWhoGoesOnBehindARejectedRow) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  Result({6, 9, 8, 3}, {2});
  EXPECT_THAT(Violation(Plan(6, drafts)), HasSubstr("positions: 1 goes on at 6, not at 4"));
}

TEST_F(RefereeRowsTest, SeesWhoForgetsThatRowsMayBeRejected) {
  EXPECT_EQ(Violation(Plan(2, drafts)), "");
  EXPECT_THAT(Violation(Plan(6, drafts)), HasSubstr("positions: 0 rows of 1 are undecided, not 3"));
}

TEST_F(RefereeRowsTest, SeesTooManyRows) {
  EXPECT_THAT(Violation(Plan(2, {6, 7, 8, 9})), HasSubstr("drafts: 1 has 5 rows"));
}

TEST_F(RefereeRowsTest, SeesMoreDrawsThanATextMayHave) {
  for (int64_t start = 2; start < 10; start += 4) {
    EXPECT_EQ(Violation(Plan(start, drafts)), "");
    Result({6, 7, 8, 9}, {4});
  }
  EXPECT_THAT(Violation(Plan(10, {6})), HasSubstr("tokens: too many drawn for 1"));
}

TEST_F(RefereeRowsTest, SeesARowThatDoesNotDraw) {
  BatchPlan plan = Plan(2, drafts);
  plan.samples.erase(plan.samples.begin() + 1);
  EXPECT_THAT(Violation(plan), HasSubstr("rows: row 1 decodes and does not draw"));
}

TEST_F(RefereeRowsTest, SeesDraftsThatLeavePromptsLittle) {
  const Request other{.prompt = std::vector<int32_t>(50, 1), .max_tokens = 1};
  referee.OnAccepted(2, other);
  BatchPlan plan = Plan(2, drafts);
  plan.placements = {{.id = 2}};
  plan.sequences.push_back({.id = 2, .slot = 1, .num_tokens = 8, .tokens = std::span(other.prompt.vector()).first(8)});
  plan.num_tokens = 12;
  EXPECT_EQ(Violation(plan), "") << "three of eleven";
  Referee narrow{SchedulerConfig{.max_batch_tokens = 6, .slots = 2, .block_tokens = 8, .max_decode_rows = 4}};
  Begin(narrow);
  narrow.OnAccepted(2, other);
  plan.step = 2;
  plan.sequences.back().num_tokens = 2;
  plan.sequences.back().tokens = plan.sequences.back().tokens.first(2);
  plan.num_tokens = 6;
  narrow.OnPlan(plan, absl::UnixEpoch());
  EXPECT_THAT(narrow.violation(), HasSubstr("drafts: 3 rows beside prompts, of 6"));
}

TEST_F(RefereeRowsTest, SeesMoreDraftsThanTheBackendHasRoomFor) {
  SchedulerConfig config = Config();
  for (const int32_t most : {4, 3}) {
    config.max_drafts = most;
    Referee other{config};
    Begin(other);
    BatchPlan plan = Plan(2, drafts);
    plan.step = 2;
    other.OnPlan(plan, absl::UnixEpoch());
    EXPECT_EQ(other.violation(), most == 4 ? "" : "drafts: 4 rows decode, of 3 with drafts");
  }
}

TEST_F(RefereeRowsTest, SeesAPlanThatDidNotWaitForDrafts) {
  SchedulerConfig config = Config();
  config.awaits_drafts = true;
  Referee other{config};
  Begin(other);
  BatchPlan plan = Plan(2, drafts);
  plan.step = 2;
  EXPECT_FALSE(other.AwaitsDrafts());
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_TRUE(other.AwaitsDrafts());
  EXPECT_EQ(other.violation(), "");
  plan = Plan(6, drafts, /*undecided=*/3);
  plan.step = 3;
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_THAT(other.violation(), HasSubstr("drafts: a plan behind a step"));
}

// What a draw changes would have to be known to the next row.
TEST_F(RefereeRowsTest, SeesDraftsForWhoHasControls) {
  const Request penalised{.prompt = {1, 2}, .sampling = {.repetition_penalty = 1.5F}, .max_tokens = 10};
  Referee other{Config()};
  other.OnAccepted(1, penalised);
  BatchPlan plan{.step = 1, .num_tokens = 2};
  plan.placements = {{.id = 1}};
  plan.sequences = {{.id = 1,
                     .slot = 0,
                     .num_tokens = 2,
                     .tokens = penalised.prompt.vector(),
                     .blocks = {},
                     .control_row = 0,
                     .controlled = &penalised}};
  plan.samples = {{.row = 1, .slot = 0, .position = 2, .control_row = 0}};
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_EQ(other.violation(), "");
  plan = Plan(2, drafts);
  plan.sequences[0].control_row = 0;
  for (PlannedSample& sample : plan.samples) sample.control_row = 0;
  other.OnPlan(plan, absl::UnixEpoch());
  EXPECT_THAT(other.violation(), HasSubstr("drafts: 1 has 4 rows"));
}

}  // namespace
}  // namespace batucada::sim
