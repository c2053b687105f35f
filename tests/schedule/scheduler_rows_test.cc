// Decode shares of several rows: who gets them, what becomes of those that are rejected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/clock.h"
#include "engine/core/token_constraint.h"
#include "engine/schedule/scheduler.h"
#include "tests/schedule/anything_goes.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int32_t kRowsEnd = 2;

// Guesses that what was guessed counts on: 100, 101, …
class CountingDrafter : public Drafter {
 public:
  void OnAdmitted(SequenceId id, const Request& /*request*/) override { known.insert(id); }
  void OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) override {
    drawn[id].emplace_back(static_cast<int32_t>(tokens.size()), rows);
  }
  void OnEnded(SequenceId id) override { known.erase(id); }
  void Draft(SequenceId id, int64_t position, int32_t undecided, int32_t most, std::vector<int32_t>* drafts) override {
    EXPECT_TRUE(known.contains(id));
    asked.push_back({id, position, undecided, most});
    for (int32_t i = 0; i < std::min(most, wanted); ++i) drafts->push_back(100 + i);
  }

  struct Asked {
    SequenceId id;
    int64_t position;
    int32_t undecided, most;
  };
  int32_t wanted = 100;
  std::set<SequenceId> known;
  std::vector<Asked> asked;
  std::map<SequenceId, std::vector<std::pair<int32_t, int32_t>>> drawn;
};

class SchedulerRowsTest : public testing::Test {
 protected:
  SchedulerConfig Config() {
    return {.max_batch_tokens = 32,
            .max_waiting = 100,
            .max_steps_in_flight = 2,
            .slots = 4,
            .control_rows = 4,
            .kv = {{.blocks = 32, .most_per_sequence = 8}},
            .block_tokens = 16,
            .end_tokens = {kRowsEnd},
            .drafter = &drafter,
            .max_decode_rows = 4};
  }
  static Request Prompt(int64_t length, int64_t max_tokens) {
    return {.prompt = std::vector<int32_t>(static_cast<size_t>(length), 5), .max_tokens = max_tokens};
  }

  void Add(SequenceId id, Request request) { ASSERT_TRUE(scheduler->Add(id, std::move(request), clock.Now()).ok()); }
  BatchPlan Plan() {
    std::optional<BatchPlan> plan = scheduler->Plan(clock.Now());
    EXPECT_TRUE(plan.has_value());
    return plan.value_or(BatchPlan());
  }
  // The drafts of every share are right up to `kept` rows; `ids` instead of what is drawn, by sample.
  void Commit(const BatchPlan& plan, int32_t kept = 1, const std::map<size_t, int32_t>& ids = {}) {
    StepResult result{.step = plan.step, .samples = {}};
    for (const PlannedSequence& share : plan.sequences) {
      if (!share.tokens.empty()) continue;
      result.kept.push_back(std::min(kept, share.num_tokens));
      for (int32_t row = 0; row < share.num_tokens; ++row) {
        result.samples.push_back({.id = row + 1 < result.kept.back() ? share.drafts[static_cast<size_t>(row)] : 7});
      }
    }
    if (plan.decode_rows() == plan.num_decode) result.kept.clear();
    while (result.samples.size() < plan.samples.size()) result.samples.push_back({.id = 6});
    for (const auto& [at, id] : ids) result.samples[at].id = id;
    scheduler->Commit(result, clock.Now());
    for (const SequenceEvent& event : scheduler->TakeEvents()) {
      if (event.token) tokens[event.id].push_back(event.token->id);
      if (event.finish) finishes[event.id] = *event.finish;
    }
  }
  void Start(SequenceId id, Request request) {
    Add(id, std::move(request));
    Commit(Plan());
    drafter.asked.clear();
  }

  CountingDrafter drafter;
  ManualClock clock;
  std::unique_ptr<Scheduler> scheduler = std::make_unique<Scheduler>(Config());
  std::map<SequenceId, std::vector<int32_t>> tokens;
  std::map<SequenceId, Finish> finishes;
};

TEST_F(SchedulerRowsTest, AShareIsARowAndItsDrafts) {
  Start(1, Prompt(10, 50));
  const BatchPlan plan = Plan();
  ASSERT_EQ(plan.sequences.size(), 1u);
  EXPECT_EQ(plan.num_decode, 1);
  EXPECT_EQ(plan.num_tokens, 4);
  EXPECT_EQ(plan.decode_rows(), 4);
  EXPECT_EQ(plan.sequences[0].start, 10);
  EXPECT_THAT(plan.sequences[0].drafts, ElementsAre(100, 101, 102));
  EXPECT_THAT(plan.sequences[0].tokens, IsEmpty());
  ASSERT_EQ(plan.samples.size(), 4u);
  for (int32_t row = 0; row < 4; ++row) {
    EXPECT_EQ(plan.samples[static_cast<size_t>(row)].row, row);
    EXPECT_EQ(plan.samples[static_cast<size_t>(row)].position, 11 + row) << "each row draws a token of its own";
  }
  EXPECT_EQ(drafter.asked.at(0).position, 11) << "the first guess is of what the first row draws";
  EXPECT_EQ(drafter.asked.at(0).most, 3);
}

TEST_F(SchedulerRowsTest, KeptRowsAreToldTogetherAndOthersComeAgain) {
  Start(1, Prompt(10, 50));
  Commit(Plan(), /*kept=*/3);
  EXPECT_THAT(tokens[1], ElementsAre(6, 100, 101, 7));
  const BatchPlan plan = Plan();
  EXPECT_EQ(plan.sequences[0].start, 13);
  EXPECT_EQ(plan.sequences[0].undecided, 0);
  EXPECT_THAT(drafter.drawn[1], ElementsAre(std::pair(1, 1), std::pair(3, 4)));
  EXPECT_EQ(scheduler->stats().generated_tokens, 4u);
}

TEST_F(SchedulerRowsTest, AStepBehindUndecidedRowsSaysHowMany) {
  Start(1, Prompt(10, 50));
  const BatchPlan first = Plan(), second = Plan();
  EXPECT_EQ(second.sequences[0].start, 14);
  EXPECT_EQ(second.sequences[0].undecided, 3);
  EXPECT_EQ(drafter.asked.at(1).position, 15);
  EXPECT_EQ(drafter.asked.at(1).undecided, 3);
  Commit(first, /*kept=*/1);
  const BatchPlan third = Plan();
  EXPECT_EQ(third.sequences[0].start, 15) << "three of the first step's rows are gone, four of the second in flight";
  EXPECT_EQ(third.sequences[0].undecided, 3);
  Commit(second, /*kept=*/4);
  Commit(third, /*kept=*/2);
  EXPECT_EQ(tokens[1].size(), 1u + 1 + 4 + 2);
  const BatchPlan fourth = Plan();
  EXPECT_EQ(fourth.sequences[0].start, 17);
  EXPECT_EQ(fourth.sequences[0].undecided, 0);
}

TEST_F(SchedulerRowsTest, DraftsWaitUntilTheOnesBeforeAreDecided) {
  SchedulerConfig config = Config();
  config.awaits_drafts = true;
  scheduler = std::make_unique<Scheduler>(config);
  for (SequenceId id = 1; id <= 2; ++id) Add(id, Prompt(4, 50));
  Commit(Plan());
  const BatchPlan first = Plan();
  EXPECT_FALSE(scheduler->Plan(clock.Now()).has_value());
  Commit(first, /*kept=*/2);
  EXPECT_EQ(Plan().sequences[0].undecided, 0);
}

TEST_F(SchedulerRowsTest, ButNotIfMostHaveNone) {
  SchedulerConfig config = Config();
  config.awaits_drafts = true;
  scheduler = std::make_unique<Scheduler>(config);
  for (SequenceId id = 1; id <= 3; ++id) {
    Request request = Prompt(2, 50);
    if (id > 1) request.sampling.presence_penalty = 1;
    Add(id, request);
  }
  Commit(Plan());
  EXPECT_EQ(Plan().decode_rows(), 2 + 4);
  EXPECT_EQ(Plan().sequences[0].undecided, 3);
}

TEST_F(SchedulerRowsTest, ABackendHasRoomForSoManyRows) {
  for (const int32_t most : {5, 2}) {
    SchedulerConfig config = Config();
    config.max_drafts = most;
    scheduler = std::make_unique<Scheduler>(config);
    for (SequenceId id = 1; id <= 3; ++id) Add(id, Prompt(2, 50));
    Commit(Plan());
    EXPECT_EQ(Plan().decode_rows(), std::max(most, 3)) << "a row each, and drafts where there is room";
  }
}

TEST_F(SchedulerRowsTest, NothingIsGuessedBehindAnEnd) {
  Request stops = Prompt(10, 50), goes_on = Prompt(10, 50);
  stops.stop_token_ids = {101};
  Start(1, stops);
  EXPECT_THAT(Plan().sequences[0].drafts, ElementsAre(100));
  SchedulerConfig config = Config();
  config.end_tokens = {100};
  scheduler = std::make_unique<Scheduler>(config);
  Start(1, Prompt(10, 50));
  EXPECT_THAT(Plan().sequences[0].drafts, IsEmpty());
  scheduler = std::make_unique<Scheduler>(config);
  goes_on.ignore_eos = true;
  Start(1, goes_on);
  EXPECT_THAT(Plan().sequences[0].drafts, ElementsAre(100, 101, 102));
}

TEST_F(SchedulerRowsTest, NoMoreIsDrawnThanATextMayHave) {
  Start(1, Prompt(10, 6));
  const BatchPlan first = Plan();
  EXPECT_EQ(first.num_tokens, 4);
  const BatchPlan second = Plan();
  EXPECT_EQ(second.num_tokens, 1) << "the sixth token at most";
  EXPECT_FALSE(scheduler->Plan(clock.Now()).has_value());
  Commit(first, /*kept=*/2);
  EXPECT_FALSE(finishes.contains(1));
  const BatchPlan third = Plan();
  EXPECT_EQ(third.num_tokens, 2) << "two were rejected";
  EXPECT_FALSE(scheduler->Plan(clock.Now()).has_value());
  Commit(second);
  EXPECT_FALSE(scheduler->Plan(clock.Now()).has_value()) << "what is in flight may be all";
  Commit(third, /*kept=*/2);
  EXPECT_EQ(tokens[1].size(), 6u);
  EXPECT_EQ(finishes[1].reason, FinishReason::kLength);
  EXPECT_EQ(scheduler->stats().slots_used, 0);
  EXPECT_EQ(scheduler->stats().blocks_used, 0);
}

TEST_F(SchedulerRowsTest, ATextEndsInTheMiddleOfAShare) {
  Start(1, Prompt(10, 50));
  const BatchPlan plan = Plan(), behind = Plan();
  Commit(plan, /*kept=*/4, {{1, kRowsEnd}});
  EXPECT_THAT(tokens[1], ElementsAre(6, 100, kRowsEnd));
  EXPECT_EQ(finishes[1].reason, FinishReason::kStop);
  EXPECT_EQ(finishes[1].generated_tokens, 3);
  EXPECT_THAT(drafter.known, IsEmpty());
  EXPECT_EQ(scheduler->stats().slots_used, 1) << "a step in flight still writes there";
  Commit(behind, /*kept=*/2);
  EXPECT_EQ(tokens[1].size(), 3u);
  EXPECT_EQ(scheduler->stats().slots_used, 0);
}

TEST_F(SchedulerRowsTest, WhoseLogitsFollowWhatWasDrawnHasOneRow) {
  Request penalised = Prompt(3, 50), constrained = Prompt(3, 50);
  penalised.sampling.presence_penalty = 1;
  constrained.constraint = std::make_shared<AnythingGoes>();
  Add(1, penalised);
  Add(2, constrained);
  Add(3, Prompt(3, 50));
  Commit(Plan());
  drafter.asked.clear();
  const BatchPlan plan = Plan();
  ASSERT_EQ(plan.num_decode, 3);
  EXPECT_EQ(plan.sequences[0].num_tokens, 1);
  EXPECT_EQ(plan.sequences[1].num_tokens, 1);
  EXPECT_EQ(plan.sequences[2].num_tokens, 4);
  ASSERT_EQ(drafter.asked.size(), 1u);
  EXPECT_EQ(drafter.asked[0].id, 3u);
}

TEST_F(SchedulerRowsTest, DraftsShareWhatIsLeftAndLeavePromptsTheirHalf) {
  SchedulerConfig config = Config();
  config.max_batch_tokens = 12;
  config.max_decode_rows = 8;
  scheduler = std::make_unique<Scheduler>(config);
  for (SequenceId id = 1; id <= 3; ++id) Add(id, Prompt(4, 50));
  Commit(Plan());
  const BatchPlan alone = Plan();
  ASSERT_EQ(alone.num_decode, 3);
  for (const PlannedSequence& share : alone.sequences) EXPECT_EQ(share.num_tokens, 4) << "nine rows for three";
  Commit(alone);
  Add(4, Prompt(30, 50));
  const BatchPlan beside = Plan();
  EXPECT_EQ(beside.decode_rows(), 3 + 4);
  EXPECT_EQ(beside.sequences.back().id, 4u);
  EXPECT_EQ(beside.num_tokens, 12);
}

TEST_F(SchedulerRowsTest, WhatOneDoesNotNeedGoesToTheNext) {
  SchedulerConfig config = Config();
  config.max_batch_tokens = 12;
  config.max_decode_rows = 8;
  scheduler = std::make_unique<Scheduler>(config);
  Add(1, Prompt(4, 3));
  Add(2, Prompt(4, 50));
  Commit(Plan());
  const BatchPlan plan = Plan();
  EXPECT_EQ(plan.sequences[0].num_tokens, 2) << "it may draw two";
  EXPECT_EQ(plan.sequences[1].num_tokens, 8) << "not five, its part";
}

TEST_F(SchedulerRowsTest, WithoutDraftsAShareIsOneRow) {
  drafter.wanted = 0;
  Start(1, Prompt(10, 3));
  const BatchPlan plan = Plan();
  EXPECT_EQ(plan.num_tokens, 1);
  EXPECT_EQ(Plan().sequences[0].undecided, 0);
  Commit(plan);
  EXPECT_EQ(tokens[1].size(), 2u);
}

using SchedulerRowsDeathTest = SchedulerRowsTest;

TEST_F(SchedulerRowsDeathTest, AResultSaysWhatIsKept) {
  Start(1, Prompt(10, 50));
  const BatchPlan plan = Plan();
  StepResult result{.step = plan.step, .samples = std::vector<TokenResult>(4)};
  EXPECT_DEATH(scheduler->Commit(result, clock.Now()), "who is kept is not said");
  result.kept = {5};
  EXPECT_DEATH(scheduler->Commit(result, clock.Now()), "5 rows of 4 are kept");
  result.kept = {0};
  EXPECT_DEATH(scheduler->Commit(result, clock.Now()), "0 rows of 4 are kept");
}

}  // namespace
}  // namespace batucada
