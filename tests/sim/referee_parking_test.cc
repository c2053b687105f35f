// What the referee says of parking that breaks a rule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/sim/referee.h"

namespace batucada::sim {
namespace {

using testing::HasSubstr;
using Kind = Placement::Kind;

// Two slots, in which 1 and 2 run; 3 is urgent and waits. There is room to park one.
class RefereeParkingTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 16,
            .max_waiting = 4,
            .slots = 2,
            .parking = {.room = {.slots = 1, .blocks = {}}, .most_times = 1, .most_time = absl::Seconds(10)}};
  }

  RefereeParkingTest() {
    for (const SequenceId id : {1, 2}) referee.OnAccepted(id, Of(0));
    BatchPlan plan = Plan({{.id = 1}, {.id = 2}});
    Compute(plan, 1, 0, 0);
    Compute(plan, 2, 1, 0);
    Run(plan);
    referee.OnAccepted(3, Of(-1));
  }

  static Request Of(Priority priority) { return {.prompt = {1, 2}, .max_tokens = 9, .priority = priority}; }
  BatchPlan Plan(std::vector<Placement> placements) { return {.step = ++step, .placements = std::move(placements)}; }
  // A prompt of two tokens, or a row that decodes.
  void Compute(BatchPlan& plan, SequenceId id, PageId slot, int64_t start) {
    const int32_t rows = start == 0 ? 2 : 1;
    plan.sequences.push_back({.id = id,
                              .slot = slot,
                              .start = start,
                              .num_tokens = rows,
                              .tokens = std::span(prompt).first(start == 0 ? 2 : 0),
                              .blocks = {}});
    plan.num_decode += start == 0 ? 0 : 1;
    plan.num_tokens += rows;
    plan.samples.push_back({.row = plan.num_tokens - 1, .slot = slot, .position = start + rows});
  }
  // Plans, computes, draws and tells.
  std::string Run(const BatchPlan& plan, absl::Time now = absl::UnixEpoch()) {
    referee.OnPlan(plan, now);
    if (!referee.violation().empty()) return referee.violation();
    StepResult result{.step = plan.step, .samples = {}};
    for (size_t i = 0; i < plan.samples.size(); ++i) result.samples.push_back({.id = 5});
    referee.OnResult(result);
    for (const PlannedSequence& s : plan.sequences) referee.OnEvent({.id = s.id, .token = TokenResult{.id = 5}});
    return referee.violation();
  }
  static void CopyOut(BatchPlan& plan, PageId slot) {
    plan.copies.ended.push_back({.from = {Tier::kRunning, slot}, .to = {Tier::kParked, 0}});
  }
  static void CopyBack(BatchPlan& plan, PageId slot) {
    plan.copies.moved.push_back({.from = {Tier::kParked, 0}, .to = {Tier::kRunning, slot}});
  }
  // 2 makes room for 3.
  BatchPlan Parking() {
    BatchPlan plan = Plan({{.id = 3}, {.id = 2, .kind = Kind::kParked}});
    CopyOut(plan, 1);
    Compute(plan, 1, 0, 2);
    Compute(plan, 3, 1, 0);
    return plan;
  }
  static SchedulerStats Stats(int64_t running, int64_t waiting, int64_t parked) {
    return {.running = running,
            .waiting = waiting,
            .waiting_tokens = 2 * waiting,
            .slots_used = running,
            .parking = {.parked = parked}};
  }
  void End(SequenceId id, int64_t told) {
    referee.OnEvent(EndOf(id, Finish{.reason = FinishReason::kCancelled, .generated_tokens = told}));
  }

  const std::vector<int32_t> prompt = {1, 2};
  uint64_t step = 0;
  Referee referee{Config()};
};

TEST_F(RefereeParkingTest, LetsSoundParkingPass) {
  EXPECT_EQ(Run(Parking()), "");
  referee.OnStats(Stats(2, 0, 1), /*planned=*/true);
  End(3, 1);
  BatchPlan back = Plan({{.id = 2, .kind = Kind::kReturned}});
  CopyBack(back, 1);
  Compute(back, 1, 0, 3);
  EXPECT_EQ(Run(back), "");
  BatchPlan on = Plan({});
  Compute(on, 1, 0, 4);
  Compute(on, 2, 1, 2);
  EXPECT_EQ(Run(on), "");
  referee.OnStats(Stats(2, 0, 0), /*planned=*/true);
  EXPECT_EQ(referee.violation(), "");
}

TEST_F(RefereeParkingTest, SeesAnUrgentOneThatWaits) {
  BatchPlan plan = Plan({});
  Compute(plan, 1, 0, 2);
  Compute(plan, 2, 1, 2);
  EXPECT_EQ(Run(plan), "");
  referee.OnStats(Stats(2, 1, 0), /*planned=*/true);
  EXPECT_THAT(referee.violation(), HasSubstr("could make room"));
}

TEST_F(RefereeParkingTest, SeesParkingForNobody) {
  BatchPlan plan = Plan({{.id = 2, .kind = Kind::kParked}});
  CopyOut(plan, 1);
  Compute(plan, 1, 0, 2);
  EXPECT_THAT(Run(plan), HasSubstr("parked for nobody"));
}

TEST_F(RefereeParkingTest, SeesPlacesThatAreGivenAwayUncopied) {
  BatchPlan plan = Parking();
  std::swap(plan.copies.ended, plan.copies.saved);
  EXPECT_THAT(Run(plan), HasSubstr("parking: the slot of 2 is not copied"));
}

TEST_F(RefereeParkingTest, SeesAnUrgentOneParked) {
  EXPECT_EQ(Run(Parking()), "");
  referee.OnAccepted(4, Of(-2));
  EXPECT_THAT(Run(Plan({{.id = 4}, {.id = 3, .kind = Kind::kParked}})), HasSubstr("3 is parked and may not be"));
}

TEST_F(RefereeParkingTest, SeesOneParkedTooOften) {
  EXPECT_EQ(Run(Parking()), "");
  End(3, 1);
  BatchPlan back = Plan({{.id = 2, .kind = Kind::kReturned}});
  CopyBack(back, 1);
  Compute(back, 1, 0, 3);
  EXPECT_EQ(Run(back), "");
  referee.OnAccepted(4, Of(-1));
  EXPECT_THAT(Run(Plan({{.id = 4}, {.id = 2, .kind = Kind::kParked}})), HasSubstr("2 is parked and may not be"));
}

TEST_F(RefereeParkingTest, SeesMoreThanThereIsRoomFor) {
  EXPECT_EQ(Run(Parking()), "");
  referee.OnAccepted(4, Of(-1));
  BatchPlan plan = Plan({{.id = 4}, {.id = 1, .kind = Kind::kParked}});
  CopyOut(plan, 0);
  Compute(plan, 3, 1, 2);
  Compute(plan, 4, 0, 0);
  EXPECT_EQ(Run(plan), "");
  referee.OnStats(Stats(2, 0, 2));
  EXPECT_THAT(referee.violation(), HasSubstr("more are parked than there is room for"));
}

TEST_F(RefereeParkingTest, SeesRowsOfOneThatIsParked) {
  BatchPlan plan = Parking();
  Compute(plan, 2, 1, 2);
  EXPECT_THAT(Run(plan), HasSubstr("progress: 1 decode, 2 are in the plan"));
}

TEST_F(RefereeParkingTest, SeesOneThatIsPassedByWhoHasItsPriority) {
  EXPECT_EQ(Run(Parking()), "");
  End(3, 1);
  referee.OnAccepted(4, Of(0));
  EXPECT_THAT(Run(Plan({{.id = 4}})), HasSubstr("4 is admitted before somebody who was parked"));
}

TEST_F(RefereeParkingTest, SeesOneWhoseTimeIsOverPassed) {
  EXPECT_EQ(Run(Parking()), "");
  End(3, 1);
  referee.OnAccepted(4, Of(-1));
  Referee early = referee;
  EXPECT_THAT(Run(Plan({{.id = 4}}), absl::UnixEpoch() + absl::Seconds(10)),
              HasSubstr("before somebody who was parked"));
  BatchPlan plan = Plan({{.id = 4}});
  plan.step = step - 1;
  Compute(plan, 1, 0, 3);
  Compute(plan, 4, 1, 0);
  early.OnPlan(plan, absl::UnixEpoch() + absl::Seconds(9));
  EXPECT_EQ(early.violation(), "") << "until then urgent ones go first";
}

TEST_F(RefereeParkingTest, SeesOneThatCouldComeBackAndDoesNot) {
  EXPECT_EQ(Run(Parking()), "");
  End(3, 1);
  BatchPlan plan = Plan({});
  Compute(plan, 1, 0, 3);
  EXPECT_EQ(Run(plan), "");
  referee.OnStats(Stats(1, 0, 1), /*planned=*/true);
  EXPECT_THAT(referee.violation(), HasSubstr("next to come back, and it does not"));
}

TEST_F(RefereeParkingTest, SeesALeak) {
  EXPECT_EQ(Run(Parking()), "");
  End(2, 1);
  referee.OnStats({.running = 2, .slots_used = 2, .parking = {.parked = 1}});
  EXPECT_THAT(referee.violation(), HasSubstr("no leak"));
}

}  // namespace
}  // namespace batucada::sim
