// What the referee says of plans in parts that break a rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/sim/referee.h"

namespace batucada::sim {
namespace {

using testing::HasSubstr;

// 1 generates; 2 and 3 have long prompts, 4 a short one: up to eight tokens are.
class RefereePartsTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 64, .cuts_steps = true, .max_waiting = 9, .max_steps_in_flight = 2, .slots = 4};
  }

  RefereePartsTest() {
    for (const size_t length : {2U, 40U, 40U, 2U}) {
      referee.OnAccepted(++last_id_, {.prompt = std::vector<int32_t>(length, 5), .max_tokens = 9});
    }
    BatchPlan plan = Plan({{1, 0, 2}, {4, 0, 2}});
    plan.placements = {{.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}};
    plan.sequences.pop_back();
    plan.num_tokens = 2;
    plan.samples.pop_back();
    referee.OnPlan(plan, absl::UnixEpoch());
    referee.OnResult({.step = plan.step, .samples = {{.id = 5}}});
    referee.OnEvent({.id = 1, .token = TokenResult{.id = 5}});
    EXPECT_EQ(referee.violation(), "");
  }

  static int64_t PromptOf(SequenceId id) { return id == 1 || id == 4 ? 2 : 40; }
  struct Rows {
    SequenceId id;
    int64_t start;
    int32_t rows;
  };
  // Of prompts, or a row of one that goes on; these first.
  BatchPlan Plan(const std::vector<Rows>& all, bool in_parts = false) {
    BatchPlan plan{.step = ++step_, .in_parts = in_parts};
    for (const Rows& rows : all) {
      const bool decodes = rows.start >= PromptOf(rows.id);
      plan.sequences.push_back({.id = rows.id,
                                .slot = static_cast<PageId>(rows.id - 1),
                                .start = rows.start,
                                .num_tokens = rows.rows,
                                .tokens = std::span(prompt_).first(decodes ? 0 : static_cast<size_t>(rows.rows)),
                                .blocks = {}});
      plan.num_tokens += rows.rows;
      plan.num_decode += decodes ? 1 : 0;
      const bool draws = decodes || rows.start + rows.rows == PromptOf(rows.id);
      if (!draws) continue;
      plan.samples.push_back(
          {.row = plan.num_tokens - 1, .slot = static_cast<PageId>(rows.id - 1), .position = rows.start + rows.rows});
    }
    return plan;
  }
  std::string Violation(const BatchPlan& plan) {
    referee.OnPlan(plan, absl::UnixEpoch());
    return referee.violation();
  }

  Referee referee{Config()};
  SequenceId last_id_ = 0;
  uint64_t step_ = 0;
  const std::vector<int32_t> prompt_ = std::vector<int32_t>(64, 5);
};

TEST_F(RefereePartsTest, LetsSoundPlansPass) {
  EXPECT_EQ(Violation(Plan({{2, 0, 32}, {3, 0, 32}}, true)), "");
  const BatchPlan between = Plan({{1, 2, 1}, {4, 0, 2}});
  EXPECT_EQ(Violation(between), "");
  referee.OnResult({.step = between.step, .samples = {{.id = 5}, {.id = 5}}});
  EXPECT_EQ(referee.violation(), "") << "it came after the one in parts, and its result before";
  referee.OnPartsLaunched();
  for (const SequenceId id : {1, 4}) referee.OnEvent({.id = id, .token = TokenResult{.id = 5}});
  EXPECT_EQ(referee.violation(), "");
}

TEST_F(RefereePartsTest, SeesTwoPlansInPartsAtOnce) {
  ASSERT_EQ(Violation(Plan({{2, 0, 40}}, true)), "");
  EXPECT_THAT(Violation(Plan({{3, 0, 40}}, true)), HasSubstr("parts: decode rows in them, or two plans at once"));
}

TEST_F(RefereePartsTest, SeesWhoIsInTwoPlans) {
  ASSERT_EQ(Violation(Plan({{2, 0, 32}, {3, 0, 32}}, true)), "");
  EXPECT_THAT(Violation(Plan({{1, 2, 1}, {2, 32, 2}})), HasSubstr("parts: 2 has rows, and is in the plan in parts"));
}

TEST_F(RefereePartsTest, SeesDecodeRowsInParts) {
  BatchPlan plan = Plan({{1, 2, 1}, {2, 0, 32}, {3, 0, 31}}, true);
  EXPECT_THAT(Violation(plan), HasSubstr("parts: decode rows in them"));
}

TEST_F(RefereePartsTest, SeesALongPromptBesideWhoGenerates) {
  EXPECT_THAT(Violation(Plan({{1, 2, 1}, {2, 0, 40}})), HasSubstr("parts: long prompts in a step that is not"));
}

TEST_F(RefereePartsTest, SeesWhoGeneratesWaitForTwo) {
  const BatchPlan parts = Plan({{2, 0, 40}, {3, 0, 24}}, true);
  ASSERT_EQ(Violation(parts), "");
  referee.OnPartsLaunched();
  referee.OnResult({.step = parts.step, .samples = {{.id = 5}}});
  EXPECT_THAT(Violation(Plan({{3, 24, 16}}, true)), HasSubstr("waits for two plans in parts"));
}

TEST_F(RefereePartsTest, SeesALongPromptForgotten) {
  const BatchPlan parts = Plan({{2, 0, 30}, {3, 0, 34}}, true);
  ASSERT_EQ(Violation(parts), "");
  referee.OnPartsLaunched();
  referee.OnResult({.step = parts.step, .samples = {}});
  const BatchPlan turn = Plan({{1, 2, 1}, {4, 0, 2}, {3, 34, 6}});
  ASSERT_EQ(Violation(turn), "") << "what is left of 3 is short";
  referee.OnResult({.step = turn.step, .samples = {{.id = 5}, {.id = 5}, {.id = 5}}});
  for (const SequenceId id : {1, 4, 3}) referee.OnEvent({.id = id, .token = TokenResult{.id = 5}});
  EXPECT_THAT(Violation(Plan({{1, 3, 1}, {4, 2, 1}, {3, 40, 1}})),
              HasSubstr("the long prompt of 2 has no plan in parts"));
}

}  // namespace
}  // namespace batucada::sim
