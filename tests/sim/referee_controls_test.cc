// What the referee says of control rows that break a rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/sim/referee.h"

namespace batucada::sim {
namespace {

using testing::HasSubstr;

class RefereeControlsTest : public testing::Test {
 protected:
  static SchedulerConfig Config() { return {.max_batch_tokens = 16, .slots = 4, .control_rows = 2}; }

  RefereeControlsTest() {
    for (const SequenceId id : {1, 2, 3}) referee.OnAccepted(id, penalised);
    referee.OnAccepted(4, plain);
  }

  PlannedSequence Share(SequenceId id, PageId slot, PageId control_row) const {
    const Request& request = id == 4 ? plain : penalised;
    return {.id = id,
            .slot = slot,
            .num_tokens = 2,
            .tokens = request.prompt.vector(),
            .blocks = {},
            .control_row = control_row,
            .controlled = control_row >= 0 ? &request : nullptr};
  }
  static BatchPlan Plan(std::vector<PlannedSequence> shares) {
    BatchPlan plan{.step = 1};
    for (const PlannedSequence& share : shares) {
      plan.placements.push_back({.id = share.id});
      plan.num_tokens += share.num_tokens;
      plan.samples.push_back(
          {.row = plan.num_tokens - 1, .slot = share.slot, .position = 2, .control_row = share.control_row});
    }
    plan.sequences = std::move(shares);
    return plan;
  }
  std::string Violation(const BatchPlan& plan) {
    referee.OnPlan(plan, absl::UnixEpoch());
    return referee.violation();
  }

  const Request penalised{.prompt = {1, 2}, .sampling = {.presence_penalty = 1}, .max_tokens = 5};
  const Request plain{.prompt = {1, 2}, .max_tokens = 5};
  Referee referee{Config()};
};

TEST_F(RefereeControlsTest, LetsOthersPassWhoWaitsForControls) {
  EXPECT_EQ(Violation(Plan({Share(1, 0, 0), Share(2, 1, 1), Share(4, 2, -1)})), "");
  referee.OnStats({.running = 3, .waiting = 1, .waiting_tokens = 2, .slots_used = 3, .control_rows_used = 2},
                  /*planned=*/true);
  EXPECT_EQ(referee.violation(), "") << "the third waits for a row, though there is a slot";
}

TEST_F(RefereeControlsTest, SeesWhoIsPassedThoughItsControlsHavePlace) {
  EXPECT_THAT(Violation(Plan({Share(1, 0, 0), Share(4, 2, -1)})), HasSubstr("order: 4 is admitted before "));
}

TEST_F(RefereeControlsTest, SeesWhoWaitsThoughItsControlsHavePlace) {
  EXPECT_EQ(Violation(Plan({Share(1, 0, 0)})), "");
  referee.OnStats({.running = 1, .waiting = 3, .waiting_tokens = 6, .slots_used = 1, .control_rows_used = 1},
                  /*planned=*/true);
  EXPECT_THAT(referee.violation(), HasSubstr("no starvation"));
}

TEST_F(RefereeControlsTest, SeesMoreThanThereIs) {
  EXPECT_THAT(Violation(Plan({Share(1, 0, 0), Share(2, 1, 1), Share(3, 2, 1)})),
              HasSubstr("controls: 3 is admitted and there is no row for it"));
}

TEST_F(RefereeControlsTest, SeesControlsInTwoHands) {
  EXPECT_THAT(Violation(Plan({Share(1, 0, 0), Share(2, 1, 0)})), HasSubstr("controls: those of 2 are another's"));
}

TEST_F(RefereeControlsTest, SeesWhoHasNone) {
  EXPECT_THAT(Violation(Plan({Share(1, 0, -1)})), HasSubstr("controls: 1 has none"));
}

TEST_F(RefereeControlsTest, SeesWhoNeedsNone) {
  EXPECT_THAT(Violation(Plan({Share(1, 0, 1), Share(2, 1, 0), Share(4, 2, 0)})),
              HasSubstr("controls: 4 has some and needs none"));
}

TEST_F(RefereeControlsTest, SeesADrawWithAnothers) {
  BatchPlan plan = Plan({Share(1, 0, 0), Share(2, 1, 1)});
  std::swap(plan.samples[0].control_row, plan.samples[1].control_row);
  EXPECT_THAT(Violation(plan), HasSubstr("controls: 1 draws with another's"));
}

TEST_F(RefereeControlsTest, SeesALeak) {
  EXPECT_EQ(Violation(Plan({Share(1, 0, 0), Share(2, 1, 1), Share(4, 2, -1)})), "");
  referee.OnStats({.running = 3, .waiting = 1, .waiting_tokens = 2, .slots_used = 3, .control_rows_used = 1});
  EXPECT_THAT(referee.violation(), HasSubstr("no leak: 1 control rows are used, not 2"));
}

}  // namespace
}  // namespace batucada::sim
