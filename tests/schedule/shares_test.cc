// Who gets what of a scheduler that many clients and requests ask for more than there is.
#include "engine/schedule/shares.h"

#include <map>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SchedulerConfig Config(int32_t slots) {
  return {.max_batch_tokens = 128, .max_waiting = 1000, .slots = slots, .request_share = 0.75, .end_tokens = {2}};
}

Request Of(uint64_t client, uint64_t group, size_t prompt = 4, int64_t max_tokens = 100) {
  return {.prompt = std::vector<int32_t>(prompt, 5), .max_tokens = max_tokens, .client = client, .group = group};
}

class SharesTest : public testing::Test {
 protected:
  void Start(const SchedulerConfig& config) { scheduler.emplace(config); }
  absl::Status Add(const Request& request) { return scheduler->Add(++last, request, clock.Now()); }
  void AddMany(int count, const Request& request) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(Add(request).ok());
  }
  // A step in which every row draws `token`.
  BatchPlan Step(int32_t token = 7) {
    BatchPlan plan = *scheduler->Plan(clock.Now());
    StepResult result{.step = plan.step, .samples = {}};
    for (const PlannedSample& sample : plan.samples) {
      const bool scores = sample.target >= 0 && token != kNothingDrawn;
      result.samples.push_back({.id = scores ? sample.target : token, .logprob = -1, .rank = 1, .top = {}});
    }
    scheduler->Commit(result, clock.Now());
    for (SequenceEvent& event : scheduler->TakeEvents()) {
      if (event.token) ++tokens[event.id];
      if (event.finish) finishes[event.id] = *event.finish;
    }
    return plan;
  }

  ManualClock clock;
  std::optional<Scheduler> scheduler;
  SequenceId last = 0;
  std::map<SequenceId, int> tokens;
  std::map<SequenceId, Finish> finishes;
};

std::vector<SequenceId> InPlan(const BatchPlan& plan) {
  std::vector<SequenceId> ids;
  for (const PlannedSequence& each : plan.sequences) ids.push_back(each.id);
  return ids;
}

TEST_F(SharesTest, ARequestOfManyChoicesLeavesSlotsForOthers) {
  SchedulerConfig config = Config(/*slots=*/256);
  config.max_batch_tokens = 4096;
  Start(config);
  AddMany(500, Of(1, 1));
  EXPECT_EQ(Step().admitted().size(), 192u) << "three quarters of what nobody else has";
  AddMany(500, Of(1, 2));
  Step();
  EXPECT_EQ(scheduler->stats().running, 192 + 48) << "and of what is left";
  for (uint64_t group = 3; group < 13; ++group) AddMany(1, Of(1, group));
  EXPECT_EQ(Step().admitted().size(), 10u) << "who has nothing is never kept waiting by shares";
}

TEST_F(SharesTest, ManyGreedyRequestsLeaveASlotForWhoHasNone) {
  Start(Config(/*slots=*/8));
  for (uint64_t group = 1; group <= 4; ++group) AddMany(8, Of(1, group));
  Step();
  EXPECT_EQ(scheduler->stats().running, 7);
  AddMany(1, Of(1, 5, 4, 1));
  EXPECT_THAT(Step().admitted(), ElementsAre(33));
}

TEST_F(SharesTest, SingleRequestsHaveAllSlots) {
  Start(Config(/*slots=*/8));
  for (uint64_t group = 1; group <= 9; ++group) AddMany(1, Of(1, group));
  Step();
  EXPECT_EQ(scheduler->stats().running, 8);
}

TEST_F(SharesTest, AdmissionGoesRoundByClientThenByRequest) {
  SchedulerConfig config = Config(/*slots=*/5);
  config.request_share = 1;
  Start(config);
  AddMany(3, Of(1, 1));  // 1, 2, 3
  AddMany(2, Of(1, 2));  // 4, 5
  AddMany(2, Of(2, 3));  // 6, 7
  EXPECT_THAT(Step().admitted(), ElementsAre(1, 6, 4, 7, 2));
}

TEST_F(SharesTest, AClientLeavesSlotsForOthersWhereItMust) {
  SchedulerConfig config = Config(/*slots=*/20);
  config.client_share = 0.9;
  Start(config);
  for (uint64_t group = 1; group <= 30; ++group) AddMany(1, Of(1, group));
  EXPECT_EQ(Step().admitted().size(), 18u);
  AddMany(1, Of(2, 31));
  EXPECT_THAT(Step().admitted(), ElementsAre(31));
}

TEST_F(SharesTest, WhoIsAloneHasAllSlotsUntilSomebodyElseComes) {
  SchedulerConfig config = Config(/*slots=*/20);
  config.client_share = 0.9;
  config.client_alone_after = absl::Hours(1);
  Start(config);
  for (uint64_t group = 1; group <= 40; ++group) AddMany(1, Of(1, group));
  EXPECT_EQ(Step().admitted().size(), 20u);
  AddMany(1, Of(2, 41));
  EXPECT_THAT(Step().admitted(), ElementsAre());
  for (SequenceId id = 1; id <= 3; ++id) scheduler->Cancel(id, FinishReason::kCancelled, clock.Now());
  // One for the newcomer, and of the two others that are free none: the first is past its part.
  EXPECT_THAT(Step().admitted(), ElementsAre(41));
  clock.Advance(absl::Hours(1));
  EXPECT_THAT(Step().admitted(), ElementsAre(21, 22));
}

TEST_F(SharesTest, BlocksAreSharedLikeSlots) {
  SchedulerConfig config = Config(/*slots=*/100);
  config.kv = {{.blocks = 16, .most_per_sequence = 4}};
  config.block_tokens = 8;
  Start(config);
  AddMany(10, Of(1, 1, 8, 100));
  Step();
  EXPECT_EQ(scheduler->stats().blocks_used, 12);
  AddMany(1, Of(1, 2, 8, 100));
  Step();
  EXPECT_EQ(scheduler->stats().blocks_used, 16);
}

TEST_F(SharesTest, FurtherChoicesHavePlacesOfTheirOwnInTheQueue) {
  SchedulerConfig config = Config(/*slots=*/1);
  config.max_waiting = 3;
  Start(config);
  AddMany(4, Of(1, 1));
  const absl::Status more = Add(Of(1, 1));
  EXPECT_TRUE(absl::IsResourceExhausted(more));
  EXPECT_THAT(std::string(more.message()), HasSubstr("3 further choices of requests are waiting"));
  for (uint64_t group = 2; group <= 3; ++group) EXPECT_TRUE(Add(Of(1, group)).ok());
  const absl::Status full = Add(Of(1, 4));
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(std::string(full.message()), HasSubstr("3 requests are waiting, at most 3 may (--max-waiting)"));
}

TEST_F(SharesTest, ARequestsPromptsLeaveRoomInTheQueue) {
  SchedulerConfig config = Config(/*slots=*/1);
  config.max_waiting_tokens = 1000;
  Start(config);
  AddMany(3, Of(1, 1, 250));
  EXPECT_THAT(std::string(Add(Of(1, 1, 250)).message()), HasSubstr("prompt tokens of this request"));
  EXPECT_TRUE(Add(Of(1, 2, 250)).ok());
}

TEST_F(SharesTest, PromptsOfRequestsTakeTurns) {
  Start(Config(/*slots=*/16));  // of a step's rows two prompts have 64 each
  AddMany(4, Of(1, 1, 1000));
  AddMany(1, Of(1, 2, 1000));
  EXPECT_THAT(InPlan(Step()), ElementsAre(1, 5));
  EXPECT_THAT(InPlan(Step()), ElementsAre(1, 5));
}

TEST_F(SharesTest, PromptsOfClientsTakeTurns) {
  Start(Config(/*slots=*/16));
  for (uint64_t group = 1; group <= 4; ++group) AddMany(1, Of(1, group, 1000));
  AddMany(1, Of(2, 5, 1000));
  EXPECT_THAT(InPlan(Step()), ElementsAre(1, 5));
}

TEST_F(SharesTest, AShortPromptPassesAnyNumberOfLongOnes) {
  Start(Config(/*slots=*/32));
  for (uint64_t group = 1; group <= 20; ++group) AddMany(1, Of(1, group, 10'000));
  AddMany(1, Of(1, 21, 5, 1));
  Step();
  EXPECT_TRUE(finishes.contains(21));
}

TEST_F(SharesTest, EqualPromptsGoInTheirOrder) {
  Start(Config(/*slots=*/32));
  for (uint64_t group = 1; group <= 6; ++group) AddMany(1, Of(1, group, 64, 1));
  for (const SequenceId first : {1, 3, 5}) EXPECT_THAT(InPlan(Step()), ElementsAre(first, first + 1));
}

// A grammar whose masks take `mask` steps each, and whose notes of tokens `note`.
class CostlyConstraint : public Constraint {
 public:
  explicit CostlyConstraint(int64_t mask, int64_t note = 0) : cost_{mask, note} {}
  std::unique_ptr<TokenConstraint> Begin() const override { return std::make_unique<Tokens>(cost_); }
  int64_t bytes() const override { return 0; }

 private:
  struct Cost {
    int64_t mask = 0, note = 0;
  };
  class Tokens : public TokenConstraint {
   public:
    explicit Tokens(Cost cost) : cost_(cost) {}
    absl::Status Mask(std::span<uint32_t>, int64_t* steps) override {
      *steps -= cost_.mask;
      return absl::OkStatus();
    }
    const absl::Status& failure() const override { return failure_; }
    void Accept(int32_t, int64_t* steps) override {
      *steps -= cost_.note;
      last_ = cost_.mask + cost_.note;
    }
    int64_t cost() const override { return last_; }
    bool finished() const override { return false; }

   private:
    const Cost cost_;
    int64_t last_ = 0;
    const absl::Status failure_;
  };
  const Cost cost_;
};

TEST_F(SharesTest, WhoseMasksTakeTooMuchSitsOutAndNobodyElse) {
  Start(Config(/*slots=*/8));
  Request costly = Of(1, 1, 4, 1000), usual = Of(2, 2, 4, 1000), plain = Of(3, 3, 4, 1000);
  costly.constraint = std::make_shared<CostlyConstraint>(MaskBudgets::kMost / 2);
  usual.constraint = std::make_shared<CostlyConstraint>(10);
  AddMany(1, costly);
  AddMany(1, usual);
  AddMany(1, plain);
  const auto step = [this] {
    BatchPlan plan = *scheduler->Plan(clock.Now());
    for (const PlannedSample& sample : plan.samples) {
      if (sample.constraint != nullptr) {
        EXPECT_TRUE(sample.constraint->Mask({}, sample.mask_steps).ok());
      }
    }
    StepResult result{.step = plan.step, .samples = {}};
    for (size_t i = 0; i < plan.samples.size(); ++i) result.samples.push_back({.id = 7});
    scheduler->Commit(result, clock.Now());
    return plan;
  };
  EXPECT_THAT(InPlan(step()), ElementsAre(1, 2, 3));
  EXPECT_FALSE(scheduler->awaits_masks());
  step();
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(InPlan(step()), ElementsAre(2, 3)) << "it has used up what there is";
    EXPECT_TRUE(scheduler->awaits_masks());
  }
  // Time brings new steps.
  clock.Advance(absl::Seconds(1) * MaskBudgets::kMost / MaskBudgets::kPerSecond);
  EXPECT_THAT(InPlan(step()), ElementsAre(1, 2, 3));
}

TEST_F(SharesTest, WhatGrammarsTakeToNoteTokensIsTheClientsToo) {
  Start(Config(/*slots=*/8));
  Request costly = Of(1, 1, 4, 1000);
  costly.constraint = std::make_shared<CostlyConstraint>(0, MaskBudgets::kMost + MaskBudgets::kMore);
  AddMany(1, costly);
  AddMany(1, Of(2, 2, 4, 1000));
  const auto step = [this] {
    const BatchPlan plan = *scheduler->Plan(clock.Now());
    StepResult result{.step = plan.step, .samples = std::vector<TokenResult>(plan.samples.size(), {.id = 7})};
    scheduler->NoteDraws(result, clock.Now());
    scheduler->Commit(result, clock.Now());
    return plan;
  };
  EXPECT_THAT(InPlan(step()), ElementsAre(1, 2));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(InPlan(step()), ElementsAre(2));
  clock.Advance(absl::Seconds(1) * (MaskBudgets::kMost + MaskBudgets::kMore) / MaskBudgets::kPerSecond);
  EXPECT_THAT(InPlan(step()), ElementsAre(1, 2));
}

TEST_F(SharesTest, CostlyGrammarsOfOneClientTakeTurns) {
  Start(Config(/*slots=*/8));
  Request costly = Of(1, 1, 4, 1000);
  costly.constraint = std::make_shared<CostlyConstraint>(MaskBudgets::kMostOut / 4, MaskBudgets::kMostOut / 4);
  AddMany(5, costly);
  AddMany(1, Of(2, 2, 4, 1000));
  std::map<SequenceId, int> turns;
  for (int i = 0; i < 31; ++i) {
    const BatchPlan plan = *scheduler->Plan(clock.Now());
    for (const PlannedSample& sample : plan.samples) {
      if (sample.constraint == nullptr) continue;
      EXPECT_TRUE(sample.constraint->Mask({}, sample.mask_steps).ok());
    }
    for (const SequenceId id : InPlan(plan)) ++turns[id];
    // What the first takes is not known.
    EXPECT_EQ(plan.sequences.size(), i == 0 ? 6 : 3) << "two of them are as much as may be out, and the other's";
    const StepResult result{.step = plan.step, .samples = std::vector<TokenResult>(plan.samples.size(), {.id = 7})};
    scheduler->Commit(result, clock.Now());
    clock.Advance(absl::Milliseconds(100));
  }
  for (SequenceId id = 1; id <= 5; ++id) EXPECT_GE(turns[id], 10) << id;
  EXPECT_EQ(turns[6], 31);
}

TEST_F(SharesTest, WhoHadItsTurnHasWaitedNoLonger) {
  Start(Config(/*slots=*/8));
  Request costly = Of(1, 1, 4, 1000);
  costly.constraint = std::make_shared<CostlyConstraint>(0, MaskBudgets::kMostOut);  // one at a time
  const auto steps = [this](int count) {
    std::map<SequenceId, int> turns;
    for (int i = 0; i < count; ++i) {
      for (const SequenceId id : InPlan(Step())) ++turns[id];
      clock.Advance(absl::Milliseconds(100));
    }
    return turns;
  };
  AddMany(2, costly);
  steps(41);
  AddMany(1, costly);
  steps(1);  // its prompt
  std::map<SequenceId, int> turns = steps(6);
  for (SequenceId id = 1; id <= 3; ++id) EXPECT_EQ(turns[id], 2) << id;
}

TEST_F(SharesTest, UrgentChoicesOfARequestShareAmongThemselves) {
  Shares shares;
  Request usual = Of(1, 1), urgent = Of(1, 1), alone = Of(1, 0);
  urgent.priority = -1;
  EXPECT_EQ(shares.Find(1, usual).request, shares.Find(2, usual).request);
  EXPECT_NE(shares.Find(1, usual).request, shares.Find(3, urgent).request);
  EXPECT_EQ(shares.Find(1, usual).client, shares.Find(3, urgent).client);
  EXPECT_NE(shares.Find(4, alone).request, shares.Find(5, alone).request);
}

TEST_F(SharesTest, NothingToDrawEndsASequenceAndNoOther) {
  SchedulerConfig config = Config(/*slots=*/4);
  config.max_steps_in_flight = 2;
  Start(config);
  AddMany(1, Of(1, 1));
  Step();
  AddMany(1, Of(1, 2));
  const std::optional<BatchPlan> one = scheduler->Plan(clock.Now()), two = scheduler->Plan(clock.Now());
  ASSERT_TRUE(one && two);
  scheduler->Commit({.step = one->step, .samples = {{.id = kNothingDrawn}, {.id = 7}}}, clock.Now());
  scheduler->Commit({.step = two->step, .samples = {{.id = 7}, {.id = 7}}}, clock.Now());
  for (SequenceEvent& event : scheduler->TakeEvents()) {
    if (event.token) ++tokens[event.id];
    if (event.finish) finishes[event.id] = *event.finish;
  }
  ASSERT_TRUE(finishes.contains(1));
  EXPECT_EQ(finishes[1].reason, FinishReason::kError);
  EXPECT_THAT(finishes[1].message, HasSubstr("no token could be drawn"));
  EXPECT_EQ(finishes[1].generated_tokens, 1) << "the one before";
  EXPECT_EQ(tokens[1], 1);
  EXPECT_EQ(tokens[2], 2);
  EXPECT_EQ(scheduler->stats().slots_used, 1);
}

TEST_F(SharesTest, AScoreThatIsNoneEndsItsSequence) {
  Start(Config(/*slots=*/4));
  Request request = Of(1, 1);
  request.prompt_logprobs = 0;
  AddMany(1, request);
  Step(kNothingDrawn);
  EXPECT_EQ(finishes[1].reason, FinishReason::kError);
  EXPECT_THAT(finishes[1].message, HasSubstr("could not be scored"));
}

}  // namespace
}  // namespace batucada
