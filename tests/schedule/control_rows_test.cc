// Memory for what changes logits: only who needs it has it, and who waits for it keeps nobody else waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ControlRowsTest : public testing::Test {
 protected:
  static SchedulerConfig Config() {
    return {.max_batch_tokens = 64, .max_waiting = 100, .slots = 4, .control_rows = 2, .block_tokens = 16};
  }
  static Request Plain() { return {.prompt = {5, 6, 7}, .max_tokens = 3}; }
  static Request Penalised() {
    Request request = Plain();
    request.sampling.frequency_penalty = 0.5F;
    return request;
  }
  void Begin(const SchedulerConfig& config) { scheduler = std::make_unique<Scheduler>(config); }
  void Add(SequenceId id, Request request) { ASSERT_TRUE(scheduler->Add(id, std::move(request), clock.Now()).ok()); }
  BatchPlan Plan() {
    std::optional<BatchPlan> plan = scheduler->Plan(clock.Now());
    EXPECT_TRUE(plan.has_value());
    return plan.value_or(BatchPlan());
  }
  void Commit(const BatchPlan& plan) {
    scheduler->Commit({.step = plan.step, .samples = std::vector<TokenResult>(plan.samples.size(), {.id = 9})},
                      clock.Now());
    for (const SequenceEvent& event : scheduler->TakeEvents()) ended += event.finish ? 1 : 0;
  }

  ManualClock clock;
  std::unique_ptr<Scheduler> scheduler = std::make_unique<Scheduler>(Config());
  int ended = 0;
};

TEST_F(ControlRowsTest, OnlyWhoChangesLogitsHasOne) {
  Add(1, Plain());
  Add(2, Penalised());
  BatchPlan plan = Plan();
  ASSERT_EQ(plan.sequences.size(), 2u);
  EXPECT_EQ(plan.sequences[0].control_row, -1);
  EXPECT_EQ(plan.sequences[0].controlled, nullptr);
  const PageId row = plan.sequences[1].control_row;
  EXPECT_EQ(row, 0);
  ASSERT_NE(plan.sequences[1].controlled, nullptr);
  EXPECT_EQ(plan.sequences[1].controlled->sampling.frequency_penalty, 0.5F);
  EXPECT_EQ(plan.samples[0].control_row, -1);
  EXPECT_EQ(plan.samples[1].control_row, row);
  EXPECT_EQ(scheduler->stats().control_rows_used, 1);
  Commit(plan);
  plan = Plan();
  EXPECT_EQ(plan.sequences[1].control_row, row) << "it stays the same";
  EXPECT_EQ(plan.sequences[1].controlled, nullptr) << "and is written once";
  EXPECT_EQ(plan.samples[1].control_row, row);
  Commit(plan);
  Commit(Plan());
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(scheduler->stats().control_rows_used, 0);
}

TEST_F(ControlRowsTest, EveryKindOfControlNeedsOne) {
  std::vector<Request> all(7, Plain());
  all[0].sampling.repetition_penalty = 1.1F;
  all[1].sampling.presence_penalty = -1;
  all[2].sampling.frequency_penalty = 1;
  all[3].sampling.min_tokens = 1;
  all[4].sampling.logit_bias = {{.id = 1, .bias = 1}};
  all[5].sampling.allowed_token_ids = {1};
  all[6].sampling.bad_words = {{1, 2}};
  SequenceId id = 0;
  for (const Request& request : all) {
    Begin(Config());
    Add(++id, request);
    EXPECT_EQ(Plan().sequences.at(0).control_row, 0) << id;
    EXPECT_EQ(scheduler->stats().control_rows_used, 1) << id;
  }
}

TEST_F(ControlRowsTest, WhoNeedsNonePassesWhoWaitsForOne) {
  for (SequenceId id = 1; id <= 3; ++id) Add(id, Penalised());
  Add(4, Plain());
  BatchPlan plan = Plan();
  EXPECT_THAT(plan.admitted(), ElementsAre(1, 2, 4));
  Add(5, Penalised());
  Commit(plan);
  plan = Plan();
  EXPECT_THAT(plan.admitted(), IsEmpty()) << "a slot is free, no control row";
  Commit(plan);
  Commit(Plan());
  EXPECT_EQ(ended, 3);
  EXPECT_THAT(Plan().admitted(), ElementsAre(3, 5)) << "in the order in which they came";
}

TEST_F(ControlRowsTest, SomeAreKeptForUrgentOnes) {
  SchedulerConfig config = Config();
  config.urgent_slots = 1;
  Begin(config);
  for (SequenceId id = 1; id <= 2; ++id) Add(id, Penalised());
  EXPECT_THAT(Plan().admitted(), ElementsAre(1));
  Request urgent = Penalised();
  urgent.priority = -1;
  config.max_steps_in_flight = 2;
  Begin(config);
  Add(1, Penalised());
  Add(2, Penalised());
  Add(3, urgent);
  EXPECT_THAT(Plan().admitted(), ElementsAre(3)) << "one stays free for the next of them, as with slots";
  config.control_rows = 1;
  Begin(config);
  Add(1, Penalised());
  EXPECT_THAT(Plan().admitted(), ElementsAre(1)) << "the only one is not kept from the others";
}

TEST_F(ControlRowsTest, ARequestHasAPartOfThem) {
  SchedulerConfig config = Config();
  config.request_share = 0.75;
  config.slots = 16;
  config.control_rows = 4;
  Begin(config);
  Request choices = Penalised();
  choices.group = 7;
  for (SequenceId id = 1; id <= 6; ++id) Add(id, choices);
  EXPECT_THAT(Plan().admitted(), ElementsAre(1, 2, 3)) << "three quarters of four";
}

TEST_F(ControlRowsTest, WithoutAnySuchRequestsAreRefused) {
  SchedulerConfig config = Config();
  config.control_rows = 0;
  Begin(config);
  const absl::Status refused = scheduler->Add(1, Penalised(), clock.Now());
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("leave these out"));
  EXPECT_TRUE(scheduler->Add(2, Plain(), clock.Now()).ok());
}

TEST_F(ControlRowsTest, OneStaysTakenUntilTheLastStepInFlightIsCommitted) {
  SchedulerConfig config = Config();
  config.max_steps_in_flight = 2;
  config.control_rows = 1;
  Begin(config);
  Add(1, Penalised());
  const BatchPlan first = Plan(), second = Plan();
  Add(2, Penalised());
  scheduler->Cancel(1, FinishReason::kCancelled, clock.Now());
  Commit(first);
  EXPECT_EQ(scheduler->stats().control_rows_used, 1) << "the second step still writes there";
  EXPECT_FALSE(scheduler->Plan(clock.Now()).has_value());
  Commit(second);
  EXPECT_EQ(scheduler->stats().control_rows_used, 0);
  EXPECT_THAT(Plan().admitted(), ElementsAre(2));
}

}  // namespace
}  // namespace batucada
