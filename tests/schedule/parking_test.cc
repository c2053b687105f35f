// Who is put aside for urgent sequences, and how it comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Kind = Placement::Kind;

class ParkingTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 256,
            .max_waiting = 100,
            .slots = 3,
            .control_rows = 2,
            .kv = {{.blocks = 30, .most_per_sequence = 10}},
            .block_tokens = 16,
            .parking = {.room = {.slots = 2, .blocks = {20}}, .most_times = 2, .most_time = absl::Seconds(10)}};
  }
  static Request Text(Priority priority = 0, uint64_t client = 1, size_t prompt = 3) {
    return {.prompt = std::vector<int32_t>(prompt, 5), .max_tokens = 100, .priority = priority, .client = client};
  }
  void Begin(const SchedulerConfig& config) { scheduler = std::make_unique<Scheduler>(config); }
  // 1, 2 and 3 run, with all blocks, seven each; 4 is more urgent and needs more than one of them has.
  void AskForTheBlocksOfTwo(int32_t room_slots) {
    SchedulerConfig config = Config();
    config.kv[0] = {.blocks = 21, .most_per_sequence = 10};
    config.parking.room.slots = room_slots;
    Begin(config);
    Add({1, 2, 3});
    Step();
    Add(4, Text(-1, 2, 60));
  }
  void Add(SequenceId id, Request request) { ASSERT_TRUE(scheduler->Add(id, std::move(request), clock.Now()).ok()); }
  void Add(const std::vector<SequenceId>& ids) {
    for (const SequenceId id : ids) Add(id, Text());
  }
  BatchPlan Plan() {
    std::optional<BatchPlan> plan = scheduler->Plan(clock.Now());
    EXPECT_TRUE(plan.has_value());
    return plan.value_or(BatchPlan());
  }
  void Commit(const BatchPlan& plan, int32_t id = 9) {
    scheduler->Commit({.step = plan.step, .samples = std::vector<TokenResult>(plan.samples.size(), {.id = id})},
                      clock.Now());
    for (const SequenceEvent& event : scheduler->TakeEvents()) {
      if (event.finish) ended[event.id] = event.finish->reason;
    }
  }
  BatchPlan Step() {
    BatchPlan plan = Plan();
    Commit(plan);
    return plan;
  }
  void End(SequenceId id) {
    scheduler->Cancel(id, FinishReason::kCancelled, clock.Now());
    for (const SequenceEvent& event : scheduler->TakeEvents()) {
      if (event.finish) ended[event.id] = event.finish->reason;
    }
  }
  static std::vector<SequenceId> Of(const BatchPlan& plan, Kind kind) {
    std::vector<SequenceId> ids;
    for (const Placement& placement : plan.placements) {
      if (placement.kind == kind) ids.push_back(placement.id);
    }
    return ids;
  }
  static std::vector<SequenceId> Parked(const BatchPlan& plan) { return Of(plan, Kind::kParked); }
  static std::vector<SequenceId> Returned(const BatchPlan& plan) { return Of(plan, Kind::kReturned); }
  static std::vector<SequenceId> Computed(const BatchPlan& plan) {
    std::vector<SequenceId> ids;
    for (const PlannedSequence& s : plan.sequences) ids.push_back(s.id);
    return ids;
  }
  int64_t parked() const { return scheduler->stats().parking.parked; }
  void ExpectNothingIsLeft() {
    const SchedulerStats stats = scheduler->stats();
    EXPECT_EQ(stats.slots_used + stats.blocks_used + stats.control_rows_used + stats.running + stats.waiting, 0);
    EXPECT_EQ(stats.parking.parked, 0);
    EXPECT_TRUE(scheduler->idle());
  }

  ManualClock clock;
  std::unique_ptr<Scheduler> scheduler = std::make_unique<Scheduler>(Config());
  std::map<SequenceId, FinishReason> ended;
};

TEST_F(ParkingTest, AnUrgentOneIsComputedInTheStepThatParksAnother) {
  Add({1, 2, 3});
  const PageId slot = Step().sequences[2].slot;
  Add(4, Text(-1, 2));
  const BatchPlan plan = Step();
  EXPECT_THAT(Parked(plan), ElementsAre(3));
  EXPECT_THAT(plan.admitted(), ElementsAre(4));
  EXPECT_THAT(Computed(plan), ElementsAre(1, 2, 4));
  ASSERT_EQ(plan.copies.ended.size(), 2u) << "a slot, and a block of the seven that it was dealt";
  EXPECT_EQ(plan.copies.ended[0].from, (PageRef{Tier::kRunning, slot}));
  EXPECT_EQ(plan.copies.ended[0].to.tier, Tier::kParked);
  EXPECT_EQ(plan.copies.ended[1].group, 0);
  EXPECT_EQ(plan.sequences[2].slot, slot) << "whose copy comes first";
  EXPECT_EQ(scheduler->stats().parking.blocks[0], 1);

  EXPECT_THAT(Computed(Step()), ElementsAre(1, 2, 4));
  clock.Advance(absl::Seconds(2));
  End(4);
  const BatchPlan back = Step();
  EXPECT_THAT(Returned(back), ElementsAre(3));
  EXPECT_THAT(Computed(back), ElementsAre(1, 2)) << "its state is on its way";
  EXPECT_EQ(back.copies.moved.size(), 2u);
  const BatchPlan on = Step();
  EXPECT_THAT(Computed(on), ElementsAre(1, 2, 3));
  EXPECT_EQ(on.sequences[2].start, 3) << "where it was";
  EXPECT_EQ(on.sequences[2].controlled, nullptr);
  EXPECT_EQ(scheduler->stats().parking.paused, absl::Seconds(2));
  EXPECT_EQ(scheduler->stats().parking.times_parked, 1u);
  EXPECT_EQ(scheduler->stats().parking.times_returned, 1u);
}

TEST_F(ParkingTest, FirstTheLowestPriorityThenTheLeastOftenParked) {
  Add(1, Text(0));
  Add(2, Text(5));
  Add(3, Text(4));
  Step();
  Add(4, Text(-1, 2));
  EXPECT_THAT(Parked(Step()), ElementsAre(2));
  End(4);
  Step();
  Step();
  End(3);
  Add(5, Text(5));
  Step();
  Add(6, Text(-1, 2));
  EXPECT_THAT(Parked(Step()), ElementsAre(5)) << "2 was parked before, and 1 has a higher priority";
}

TEST_F(ParkingTest, ThenTheClientThatRunsMostThenTheSmallestStateThenTheNewest) {
  SchedulerConfig config = Config();
  config.slots = 5;
  config.kv[0].blocks = 50;
  config.parking.room = {.slots = 4, .blocks = {40}};
  Begin(config);
  Add(1, Text(0, /*client=*/1, /*prompt=*/3));
  Add(2, Text(0, 2, 40));
  Add(3, Text(0, 2, 3));
  Add(4, Text(0, 2, 3));
  Add(5, Text(0, 1, 3));
  Step();
  Add(6, Text(-1, 3));
  EXPECT_THAT(Parked(Step()), ElementsAre(4)) << "client 2 runs three, of which two are small";
  Add(7, Text(-1, 4));
  EXPECT_THAT(Parked(Step()), ElementsAre(5)) << "both run two: the newest of the small ones";
}

TEST_F(ParkingTest, NobodyIsParkedForOthersNorUrgentOnesForUrgentOnes) {
  Add({1, 2});
  Add(3, Text(-1, 2));
  Step();
  Add(4, Text(0, 2));
  EXPECT_THAT(Parked(Step()), IsEmpty());
  for (SequenceId id = 5; id <= 8; ++id) Add(id, Text(-2, id));
  EXPECT_THAT(Parked(Step()), UnorderedElementsAre(1, 2));
  EXPECT_THAT(Parked(Step()), IsEmpty()) << "3 is as urgent as they are";
  EXPECT_EQ(parked(), 2);
}

TEST_F(ParkingTest, OneThatIsEnoughAloneGoesBeforeSeveral) {
  SchedulerConfig config = Config();
  config.slots = 4;
  config.kv[0].blocks = 27;
  Begin(config);
  Add(1, Text(0, 1, 60));  // ten blocks
  Add(2, Text(0, 1, 60));
  Add(3, Text(0, 1, 3));  // seven
  Step();
  Add(4, Text(-1, 2, 60));
  EXPECT_THAT(Parked(Step()), ElementsAre(2)) << "3 is smaller, and its blocks are not enough";
}

TEST_F(ParkingTest, SeveralGoWhereNoneIsEnough) {
  AskForTheBlocksOfTwo(/*room_slots=*/2);
  EXPECT_THAT(Parked(Step()), ElementsAre(3, 2));
}

TEST_F(ParkingTest, NobodyIsParkedInVain) {
  AskForTheBlocksOfTwo(/*room_slots=*/1);
  EXPECT_THAT(Step().placements, IsEmpty()) << "two would have to go, and there is room for one";
  EXPECT_EQ(parked(), 0);
  SchedulerConfig config = Config();
  config.parking.room = {.slots = 1, .blocks = {2}};
  Begin(config);
  for (SequenceId id = 1; id <= 3; ++id) Add(id, Text(0, 1, 60));
  Step();
  Add(4, Text(-1, 2));
  EXPECT_THAT(Step().placements, IsEmpty()) << "their states are larger than the room";
}

TEST_F(ParkingTest, RoomThatWasNotEnoughIsThereForTheNext) {
  AskForTheBlocksOfTwo(/*room_slots=*/1);
  EXPECT_THAT(Step().placements, IsEmpty()) << "two would have to go";
  End(4);
  Add(5, Text(-1, 2));
  EXPECT_THAT(Parked(Step()), ElementsAre(3));
}

TEST_F(ParkingTest, ItComesBackBeforeThoseOfItsPriority) {
  Add({1, 2, 3});
  Step();
  Add(4, Text(-1, 2));
  Step();
  Add(5, Text(0, 3));
  Add(6, Text(-1, 4));
  End(4);
  const BatchPlan plan = Step();
  EXPECT_THAT(plan.admitted(), ElementsAre(6)) << "which is more urgent, and needs nobody's place";
  EXPECT_THAT(Returned(plan), IsEmpty());
  End(6);
  EXPECT_THAT(Returned(Step()), ElementsAre(3)) << "before 5, whose client runs nothing";
}

TEST_F(ParkingTest, AfterItsTimeItComesBackBeforeAll) {
  Add({1, 2, 3});
  Step();
  Add(4, Text(-1, 2));
  Step();
  clock.Advance(absl::Seconds(10));
  Add(5, Text(-1, 3));
  EXPECT_THAT(Step().placements, IsEmpty()) << "nobody is parked while it waits";
  End(1);
  const BatchPlan plan = Step();
  EXPECT_THAT(Returned(plan), ElementsAre(3));
  EXPECT_THAT(plan.admitted(), IsEmpty());
  Step();
  EXPECT_THAT(Parked(Step()), IsEmpty()) << "2 was; the other place is 3's, and its time is over";
}

TEST_F(ParkingTest, AfterItsTimePlacesThatAreKeptForUrgentOnesStayTheirs) {
  SchedulerConfig config = Config();
  config.urgent_slots = 1;
  Begin(config);
  Add({1, 2});
  Step();
  for (SequenceId id = 3; id <= 4; ++id) Add(id, Text(-1, id));
  EXPECT_THAT(Parked(Step()), ElementsAre(2)) << "3 has the place that is kept";
  clock.Advance(absl::Seconds(10));
  Add(5, Text(-1, 5));
  EXPECT_THAT(Step().placements, IsEmpty());
  End(3);
  EXPECT_THAT(Returned(Step()), ElementsAre(2)) << "4 is urgent and runs: no more than that is kept";
  End(4);
  EXPECT_THAT(Step().admitted(), ElementsAre(5));
}

TEST_F(ParkingTest, WhileOneWaitsForItsPlaceUrgentOnesGetThoseThatAreKept) {
  SchedulerConfig config = Config();
  config.urgent_slots = 1;
  Begin(config);
  Add(1, Text(0));
  Add(2, Text(3));
  Step();
  for (SequenceId id = 3; id <= 4; ++id) Add(id, Text(-1, id));
  EXPECT_THAT(Parked(Step()), ElementsAre(2));
  End(3);
  End(4);
  Add(5, Text(0));
  EXPECT_THAT(Step().admitted(), ElementsAre(5)) << "of a higher priority than 2";
  clock.Advance(absl::Seconds(10));
  Add(6, Text(0));
  EXPECT_THAT(Step().placements, IsEmpty());
  Add(7, Text(-1, 7));
  EXPECT_THAT(Step().admitted(), ElementsAre(7));
  End(1);
  EXPECT_THAT(Returned(Step()), ElementsAre(2));
}

TEST_F(ParkingTest, NobodyIsParkedTooOften) {
  SchedulerConfig config = Config();
  config.slots = 1;
  Begin(config);
  Add({1});
  Step();
  for (SequenceId id = 2; id <= 3; ++id) {
    Add(id, Text(-1, 2));
    EXPECT_THAT(Parked(Step()), ElementsAre(1));
    End(id);
    EXPECT_THAT(Returned(Step()), ElementsAre(1));
    Step();
  }
  Add(4, Text(-1, 2));
  EXPECT_THAT(Step().placements, IsEmpty());
}

TEST_F(ParkingTest, ItComputesBeforeItIsParkedAgain) {
  SchedulerConfig config = Config();
  config.slots = 1;
  Begin(config);
  Add({1});
  Step();
  Add(2, Text(-1, 2));
  Step();
  End(2);
  EXPECT_THAT(Returned(Step()), ElementsAre(1));
  Add(3, Text(-1, 2));
  const BatchPlan plan = Step();
  EXPECT_THAT(Parked(plan), IsEmpty());
  EXPECT_THAT(Computed(plan), ElementsAre(1));
  EXPECT_THAT(Parked(Step()), ElementsAre(1));
}

TEST_F(ParkingTest, WhoeverEndsWhileParkedLeavesNothing) {
  Request late = Text();
  late.deadline = clock.Now() + absl::Seconds(5);
  Add(1, late);
  Add({2});
  Step();
  for (SequenceId id = 3; id <= 5; ++id) Add(id, Text(-1, id));
  Step();
  EXPECT_EQ(parked(), 2);
  End(2);
  EXPECT_EQ(parked(), 1);
  clock.Advance(absl::Seconds(5));
  Step();
  EXPECT_EQ(ended[1], FinishReason::kDeadline);
  EXPECT_EQ(parked(), 0);
  for (SequenceId id = 3; id <= 5; ++id) End(id);
  ExpectNothingIsLeft();
}

TEST_F(ParkingTest, ADrainEndsWhoIsParked) {
  Add({1, 2, 3});
  Step();
  Add(4, Text(-1, 2));
  Step();
  scheduler->CancelAll(FinishReason::kShutdown, clock.Now(), "why", /*abandon_steps=*/false);
  int finishes = 0;
  for (const SequenceEvent& event : scheduler->TakeEvents()) finishes += event.finish ? 1 : 0;
  EXPECT_EQ(finishes, 4);
  ExpectNothingIsLeft();
}

TEST_F(ParkingTest, StepsInFlightAreCommittedToWhoIsParked) {
  SchedulerConfig config = Config();
  config.slots = 2;
  config.max_steps_in_flight = 2;
  config.end_tokens = {7};
  Begin(config);
  Add({1, 2});
  Step();
  const BatchPlan first = Plan();
  Add(3, Text(-1, 2));
  const BatchPlan second = Plan();
  EXPECT_THAT(Parked(second), ElementsAre(2)) << "the copies come after the step in flight";
  ASSERT_EQ(first.sequences[1].id, 2u);
  EXPECT_EQ(first.sequences[1].blocks[0].size(), 7u) << "what a step in flight points to stays";
  End(3);
  Commit(first);
  EXPECT_EQ(parked(), 1);
  Commit(second);
  const BatchPlan back = Step();
  EXPECT_THAT(Returned(back), ElementsAre(2));
  EXPECT_EQ(Step().sequences[1].start, 4) << "a prompt of three, and the row that was in flight";

  Add(4, Text(-1, 2));
  const BatchPlan third = Plan(), fourth = Plan();
  EXPECT_THAT(Parked(third), ElementsAre(1));
  Commit(third, /*id=*/7);
  EXPECT_EQ(ended[2], FinishReason::kStop);
  Commit(fourth);
}

TEST_F(ParkingTest, OneThatEndedInFlightIsNotParkedForLong) {
  SchedulerConfig config = Config();
  config.slots = 1;
  config.max_steps_in_flight = 2;
  config.end_tokens = {7};
  Begin(config);
  Add({1});
  Step();
  const BatchPlan first = Plan();
  Add(2, Text(-1, 2));
  const BatchPlan second = Plan();
  EXPECT_THAT(Parked(second), ElementsAre(1));
  Commit(first, /*id=*/7);
  EXPECT_EQ(ended[1], FinishReason::kStop);
  EXPECT_EQ(parked(), 0);
  Commit(second);
}

TEST_F(ParkingTest, ControlsGoWithIt) {
  Request penalised = Text();
  penalised.sampling.presence_penalty = 1;
  Add(1, penalised);
  Add(2, penalised);
  Add(3, Text());
  Step();
  Request urgent = Text(-1, 2);
  urgent.sampling.presence_penalty = 2;
  Add(4, urgent);
  const BatchPlan plan = Step();
  EXPECT_THAT(Parked(plan), ElementsAre(2)) << "3 has no control row to give";
  const PageCopy controls = plan.copies.ended.back();
  EXPECT_EQ(controls.group, kControls);
  EXPECT_EQ(controls.to, plan.copies.ended.front().to) << "one for each slot, under its number";
  EXPECT_EQ(controls.from.page, plan.sequences.back().control_row);
  End(4);
  const BatchPlan back = Step();
  EXPECT_EQ(back.copies.moved.back().group, kControls);
  const BatchPlan on = Step();
  EXPECT_EQ(back.copies.moved.back().to.page, on.sequences[1].control_row);
  EXPECT_EQ(on.sequences[1].controlled, nullptr) << "what is in it stays";
}

TEST_F(ParkingTest, WhatMayBeTakenCountsAsFree) {
  SchedulerConfig config = Config();
  config.slots = 8;
  config.kv[0].blocks = 80;
  config.client_share = 0.75;
  config.parking.room = {.slots = 4, .blocks = {40}};
  Begin(config);
  for (SequenceId id = 1; id <= 8; ++id) Add(id, Text(0, id));
  Step();
  for (SequenceId id = 11; id <= 14; ++id) Add(id, Text(-1, 9));
  EXPECT_EQ(Step().admitted().size(), 3u) << "three quarters of the four";
  Add(15, Text(-1, 10));
  EXPECT_THAT(Step().admitted(), ElementsAre(15)) << "somebody who has nothing finds room";
}

}  // namespace
}  // namespace batucada
