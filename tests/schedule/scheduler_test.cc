#include "engine/schedule/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/clock.h"

namespace batucada {
namespace {

using testing::HasSubstr;

constexpr int32_t kEnd = 2;

SchedulerConfig SmallConfig() {
  return {.max_batch_tokens = 128,
          .max_waiting = 100,
          .max_waiting_tokens = 100'000,
          .max_steps_in_flight = 1,
          .slots = 4,
          .kv = {{.blocks = 16, .most_per_sequence = 4}},
          .block_tokens = 16,
          .end_tokens = {kEnd}};
}

Request Prompt(int64_t length, int64_t max_tokens) {
  return {.prompt = std::vector<int32_t>(static_cast<size_t>(length), 5), .max_tokens = max_tokens};
}

// Runs a scheduler against a model that always draws `token`, and keeps what it told.
struct Harness {
  explicit Harness(const SchedulerConfig& config) : scheduler(config) {}

  absl::Status Add(SequenceId id, Request request) { return scheduler.Add(id, std::move(request), clock.Now()); }

  std::optional<BatchPlan> Plan() { return scheduler.Plan(clock.Now()); }

  void Commit(const BatchPlan& plan, int32_t token = 7) {
    StepResult result{.step = plan.step, .samples = {}};
    for (const PlannedSample& sample : plan.samples) {
      result.samples.push_back({.id = sample.target >= 0 ? sample.target : token, .logprob = -1, .rank = 1, .top = {}});
    }
    clock.Advance(absl::Milliseconds(1));
    scheduler.Commit(result, clock.Now());
    Collect();
  }

  void Collect() {
    for (SequenceEvent& event : scheduler.TakeEvents()) {
      EXPECT_FALSE(finishes.contains(event.id)) << "event after the end of " << event.id;
      if (event.token) tokens[event.id].push_back(event.token->id);
      scores[event.id] += event.prompt_logprobs.size();
      if (event.finish) finishes[event.id] = *event.finish;
    }
  }

  // Steps until idle; returns how many.
  int RunToEnd(int limit = 10'000) {
    int steps = 0;
    while (!scheduler.idle() && steps < limit) {
      const auto plan = Plan();
      if (!plan) break;
      Commit(*plan);
      ++steps;
    }
    EXPECT_TRUE(scheduler.idle());
    return steps;
  }

  ManualClock clock;
  Scheduler scheduler;
  std::map<SequenceId, std::vector<int32_t>> tokens;
  std::map<SequenceId, size_t> scores;
  std::map<SequenceId, Finish> finishes;
};

TEST(Scheduler, RunsARequestFromPromptToLength) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(10, 3)).ok());
  EXPECT_EQ(h.RunToEnd(), 3);  // the prompt's step draws the first token
  EXPECT_EQ(h.tokens[1].size(), 3u);
  EXPECT_EQ(h.finishes[1].reason, FinishReason::kLength);
  EXPECT_EQ(h.finishes[1].prompt_tokens, 10);
  EXPECT_EQ(h.finishes[1].generated_tokens, 3);
  EXPECT_EQ(h.scheduler.stats().slots_used, 0);
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
}

TEST(Scheduler, SplitsLongPromptsIntoChunksAtTheRightPositions) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(300, 1)).ok());
  std::vector<std::pair<int64_t, int32_t>> chunks;
  while (auto plan = h.Plan()) {
    ASSERT_EQ(plan->sequences.size(), 1u);
    chunks.emplace_back(plan->sequences[0].start, plan->sequences[0].num_tokens);
    EXPECT_EQ(plan->samples.size(), plan->sequences[0].start + plan->sequences[0].num_tokens == 300 ? 1u : 0u);
    h.Commit(*plan);
  }
  EXPECT_THAT(chunks, testing::ElementsAre(std::pair(0, 128), std::pair(128, 128), std::pair(256, 44)));
}

TEST(Scheduler, MixesDecodeRowsFirstWithPromptChunks) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(4, 50)).ok());
  h.Commit(*h.Plan());
  ASSERT_TRUE(h.Add(2, Prompt(500, 5)).ok());
  const auto plan = h.Plan();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->num_decode, 1);
  ASSERT_EQ(plan->sequences.size(), 2u);
  EXPECT_EQ(plan->sequences[0].id, 1u);
  EXPECT_TRUE(plan->sequences[0].tokens.empty());
  EXPECT_EQ(plan->sequences[0].start, 4);
  EXPECT_EQ(plan->sequences[1].num_tokens, 127);  // the budget is full: no padding, no waste
  EXPECT_EQ(plan->num_tokens, 128);
  h.Commit(*plan);
  h.RunToEnd();
}

TEST(Scheduler, ALongPromptDoesNotHoldUpShortOnes) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(50'000, 1)).ok());
  ASSERT_TRUE(h.Add(2, Prompt(30, 1)).ok());
  const auto plan = h.Plan();
  ASSERT_EQ(plan->sequences.size(), 2u);
  EXPECT_EQ(plan->sequences[0].num_tokens, 98);  // its half, and what the short one leaves
  EXPECT_EQ(plan->sequences[1].num_tokens, 30);
  h.Commit(*plan);
  EXPECT_TRUE(h.finishes.contains(2));
  h.RunToEnd();
}

TEST(Scheduler, HoldsNoMoreThanAWindowOfBlocks) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(5000, 5000)).ok());
  ASSERT_TRUE(h.Add(2, Prompt(5, 10)).ok());
  h.Commit(*h.Plan());
  EXPECT_EQ(h.scheduler.stats().blocks_used, 4 + 1);
  h.RunToEnd(20'000);
}

TEST(Scheduler, AdmitsOnlyWhatFitsWholeAndInOrder) {
  SchedulerConfig config = SmallConfig();
  config.kv[0].blocks = 6;
  Harness h(config);
  ASSERT_TRUE(h.Add(1, Prompt(100, 10)).ok());  // 4 blocks
  ASSERT_TRUE(h.Add(2, Prompt(100, 10)).ok());  // 4 more: has to wait
  ASSERT_TRUE(h.Add(3, Prompt(5, 5)).ok());     // would fit, but came later
  h.Commit(*h.Plan());
  EXPECT_EQ(h.scheduler.stats().running, 1);
  EXPECT_EQ(h.scheduler.stats().waiting, 2);
  h.RunToEnd();
  EXPECT_LE(h.finishes[1].finished, h.finishes[2].admitted);
  EXPECT_LE(h.finishes[2].admitted, h.finishes[3].admitted);
}

TEST(Scheduler, RefusesWhenTheQueueIsFull) {
  SchedulerConfig config = SmallConfig();
  config.max_waiting = 2;
  Harness h(config);
  EXPECT_TRUE(h.Add(1, Prompt(5, 5)).ok());
  EXPECT_TRUE(h.Add(2, Prompt(5, 5)).ok());
  const absl::Status full = h.Add(3, Prompt(5, 5));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("2 requests are waiting"));
  h.RunToEnd();
  EXPECT_EQ(h.finishes.size(), 2u);

  config.max_waiting = 100;
  config.max_waiting_tokens = 50;
  Harness tokens(config);
  EXPECT_TRUE(tokens.Add(1, Prompt(80, 5)).ok());  // one that is alone may always wait
  EXPECT_EQ(tokens.Add(2, Prompt(5, 5)).code(), absl::StatusCode::kResourceExhausted);
  tokens.RunToEnd();
}

TEST(Scheduler, RefusesWhatCouldNeverRun) {
  SchedulerConfig config = SmallConfig();
  config.kv[0].most_per_sequence = 1000;  // no window
  Harness h(config);
  const absl::Status never = h.Add(1, Prompt(256, 2));
  EXPECT_EQ(never.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(never.message()), HasSubstr("need 17 K/V blocks"));
  EXPECT_TRUE(h.Add(1, Prompt(256, 1)).ok());
  h.RunToEnd();
}

TEST(Scheduler, EndsAtEndAndStopTokens) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(5, 50)).ok());
  Request stop = Prompt(5, 50);
  stop.stop_token_ids = {9};
  ASSERT_TRUE(h.Add(2, stop).ok());
  Request ignore = Prompt(5, 3);
  ignore.ignore_eos = true;
  ASSERT_TRUE(h.Add(3, ignore).ok());
  h.Commit(*h.Plan(), kEnd);
  EXPECT_EQ(h.finishes[1].reason, FinishReason::kStop);
  EXPECT_FALSE(h.finishes[1].stop_token.has_value());
  EXPECT_EQ(h.finishes[2].reason, FinishReason::kStop);
  h.RunToEnd();
  EXPECT_EQ(h.finishes[3].reason, FinishReason::kLength);
}

TEST(Scheduler, StopTokenNamesItself) {
  Harness h(SmallConfig());
  Request stop = Prompt(5, 50);
  stop.stop_token_ids = {9};
  ASSERT_TRUE(h.Add(1, stop).ok());
  h.Commit(*h.Plan(), 9);
  EXPECT_EQ(h.finishes[1].stop_token, 9);
}

TEST(Scheduler, ScoresPromptsAcrossChunksAndEndsWithoutDrawing) {
  Harness h(SmallConfig());
  Request request = Prompt(300, 0);
  request.prompt_logprobs = 0;
  ASSERT_TRUE(h.Add(1, request).ok());
  h.RunToEnd();
  EXPECT_EQ(h.scores[1], 299u);
  EXPECT_TRUE(h.tokens[1].empty());
  EXPECT_EQ(h.finishes[1].reason, FinishReason::kLength);
}

TEST(Scheduler, CancelFreesAtOnceOrWithTheStepInFlight) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(5, 50)).ok());
  ASSERT_TRUE(h.Add(2, Prompt(5, 50)).ok());
  h.Commit(*h.Plan());
  h.scheduler.Cancel(1, FinishReason::kCancelled, h.clock.Now());  // nothing in flight
  EXPECT_EQ(h.scheduler.stats().running, 1);
  const auto plan = h.Plan();
  h.scheduler.Cancel(2, FinishReason::kCancelled, h.clock.Now());
  h.scheduler.Cancel(2, FinishReason::kDeadline, h.clock.Now());  // the first end counts
  EXPECT_EQ(h.scheduler.stats().running, 1);
  h.Commit(*plan);
  EXPECT_EQ(h.scheduler.stats().slots_used, 0);
  EXPECT_EQ(h.finishes[2].reason, FinishReason::kCancelled);
  EXPECT_EQ(h.tokens[2].size(), 1u);  // what was in flight is dropped
}

TEST(Scheduler, CancelWhileWaitingLeavesTheQueue) {
  SchedulerConfig config = SmallConfig();
  config.slots = 1;
  Harness h(config);
  ASSERT_TRUE(h.Add(1, Prompt(5, 5)).ok());
  ASSERT_TRUE(h.Add(2, Prompt(7, 5)).ok());
  h.Commit(*h.Plan());
  EXPECT_EQ(h.scheduler.stats().waiting_tokens, 7);
  h.scheduler.Cancel(2, FinishReason::kCancelled, h.clock.Now());
  EXPECT_EQ(h.scheduler.stats().waiting, 0);
  EXPECT_EQ(h.scheduler.stats().waiting_tokens, 0);
  h.RunToEnd();
}

TEST(Scheduler, DeadlinesEndWaitingAndRunning) {
  SchedulerConfig config = SmallConfig();
  config.slots = 1;
  Harness h(config);
  for (SequenceId id : {1, 2}) {
    Request request = Prompt(5, 1000);
    request.deadline = h.clock.Now() + absl::Milliseconds(10);
    ASSERT_TRUE(h.Add(id, request).ok());
  }
  h.RunToEnd();
  h.Collect();
  EXPECT_EQ(h.finishes[1].reason, FinishReason::kDeadline);
  EXPECT_GE(h.finishes[1].generated_tokens, 9);
  EXPECT_EQ(h.finishes[2].reason, FinishReason::kDeadline);
  EXPECT_EQ(h.finishes[2].admitted, absl::InfinitePast());
}

TEST(Scheduler, PlansAheadWithoutKnowingTheTokensInFlight) {
  SchedulerConfig config = SmallConfig();
  config.max_steps_in_flight = 2;
  Harness h(config);
  ASSERT_TRUE(h.Add(1, Prompt(5, 50)).ok());
  const auto first = h.Plan();
  const auto second = h.Plan();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(h.Plan().has_value());
  EXPECT_EQ(second->num_decode, 1);
  EXPECT_EQ(second->sequences[0].start, 5);
  h.Commit(*first, kEnd);  // it had ended already: the second step's token is dropped
  EXPECT_EQ(h.scheduler.stats().slots_used, 1);
  h.Commit(*second);
  EXPECT_EQ(h.tokens[1], std::vector<int32_t>{kEnd});
  EXPECT_EQ(h.scheduler.stats().slots_used, 0);
}

TEST(Scheduler, NeverPlansPastMaxTokens) {
  SchedulerConfig config = SmallConfig();
  config.max_steps_in_flight = 2;
  Harness h(config);
  ASSERT_TRUE(h.Add(1, Prompt(5, 1)).ok());
  const auto first = h.Plan();
  EXPECT_FALSE(h.Plan().has_value());
  h.Commit(*first);
}

TEST(Scheduler, CancelAllAbandonsStepsThatNeverReturn) {
  SchedulerConfig config = SmallConfig();
  config.max_steps_in_flight = 2;
  config.slots = 2;
  Harness h(config);
  for (SequenceId id : {1, 2, 3}) ASSERT_TRUE(h.Add(id, Prompt(5, 50)).ok());
  (void)h.Plan();
  (void)h.Plan();
  h.scheduler.CancelAll(FinishReason::kError, h.clock.Now(), "the device failed", /*abandon_steps=*/true);
  h.Collect();
  EXPECT_TRUE(h.scheduler.idle());
  EXPECT_EQ(h.finishes.size(), 3u);
  EXPECT_EQ(h.finishes[3].message, "the device failed");
}

Request OfPriority(Priority priority, Request request) {
  request.priority = priority;
  return request;
}

std::vector<SequenceId> Ids(const BatchPlan& plan) {
  std::vector<SequenceId> ids;
  for (const PlannedSequence& s : plan.sequences) ids.push_back(s.id);
  return ids;
}

TEST(Scheduler, AdmitsSmallerPrioritiesFirst) {
  SchedulerConfig config = SmallConfig();
  config.slots = 1;
  Harness h(config);
  const std::vector<Priority> priorities = {0, 5, -1, 5, 0, -3};
  for (size_t i = 0; i < priorities.size(); ++i) ASSERT_TRUE(h.Add(i, OfPriority(priorities[i], Prompt(8, 1))).ok());
  std::vector<SequenceId> order;
  while (const auto plan = h.Plan()) {
    order.push_back(Ids(*plan).front());
    h.Commit(*plan);
  }
  EXPECT_THAT(order, testing::ElementsAre(5, 2, 0, 4, 1, 3));
}

TEST(Scheduler, AnUrgentPromptTakesTheBudgetBeforeOthers) {
  Harness h(SmallConfig());
  ASSERT_TRUE(h.Add(1, Prompt(1000, 1)).ok());
  ASSERT_TRUE(h.Add(2, Prompt(1000, 1)).ok());
  h.Commit(*h.Plan());
  ASSERT_TRUE(h.Add(3, OfPriority(-1, Prompt(100, 1))).ok());
  const auto plan = h.Plan();
  EXPECT_THAT(Ids(*plan), testing::ElementsAre(3, 1));
  EXPECT_EQ(plan->sequences[0].num_tokens, 100);
  EXPECT_EQ(plan->num_tokens, 128);
  h.Commit(*plan);
  EXPECT_TRUE(h.finishes.contains(3));
  h.RunToEnd();
}

TEST(Scheduler, KeepsPlacesForUrgentSequences) {
  SchedulerConfig config = SmallConfig();
  config.urgent_slots = 1;
  Harness h(config);
  for (SequenceId id = 1; id <= 5; ++id) ASSERT_TRUE(h.Add(id, Prompt(64, 10)).ok());
  h.Commit(*h.Plan());
  EXPECT_EQ(h.scheduler.stats().running, 3);
  ASSERT_TRUE(h.Add(6, OfPriority(-1, Prompt(64, 1))).ok());
  ASSERT_TRUE(h.Add(7, OfPriority(-1, Prompt(64, 1))).ok());
  h.Commit(*h.Plan());
  EXPECT_TRUE(h.finishes.contains(6));
  h.Commit(*h.Plan());
  EXPECT_TRUE(h.finishes.contains(7)) << "the place is kept again once it is free";
  EXPECT_EQ(h.scheduler.stats().running, 3);
  h.RunToEnd();
}

TEST(Scheduler, KeepsBlocksForUrgentSequences) {
  SchedulerConfig config = SmallConfig();
  config.urgent_slots = 1;
  config.kv[0].blocks = 8;  // two of the largest sequences
  Harness h(config);
  for (SequenceId id = 1; id <= 2; ++id) ASSERT_TRUE(h.Add(id, Prompt(64, 10)).ok());
  h.Commit(*h.Plan());
  EXPECT_EQ(h.scheduler.stats().running, 1);
  ASSERT_TRUE(h.Add(3, OfPriority(-1, Prompt(64, 1))).ok());
  h.Commit(*h.Plan());
  EXPECT_TRUE(h.finishes.contains(3));
  h.RunToEnd();
}

TEST(Scheduler, AFloodOfOthersDoesNotRefuseUrgentOnes) {
  SchedulerConfig config = SmallConfig();
  config.max_waiting = 3;
  Harness h(config);
  for (SequenceId id = 1; id <= 3; ++id) ASSERT_TRUE(h.Add(id, Prompt(8, 1)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(h.Add(4, Prompt(8, 1))));
  EXPECT_TRUE(absl::IsResourceExhausted(h.Add(4, OfPriority(1, Prompt(8, 1)))));
  for (SequenceId id = 5; id <= 7; ++id) ASSERT_TRUE(h.Add(id, OfPriority(-1, Prompt(8, 1))).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(h.Add(8, OfPriority(-1, Prompt(8, 1)))));
  h.RunToEnd();
  EXPECT_EQ(h.scheduler.stats().waiting_tokens, 0);
}

// A random life: invariants hold at every step, whatever comes. The seed is the test's parameter.
class SchedulerRandom : public testing::TestWithParam<uint32_t> {};

TEST_P(SchedulerRandom, KeepsItsInvariants) {
  std::mt19937 random(GetParam());
  SchedulerConfig config = SmallConfig();
  config.max_steps_in_flight = 1 + static_cast<int32_t>(random() % 2);
  config.slots = 1 + static_cast<int32_t>(random() % 8);
  config.kv[0].blocks = 4 + static_cast<int32_t>(random() % 20);
  config.max_batch_tokens = 8 + static_cast<int32_t>(random() % 200);
  config.max_waiting = 10;
  if (random() % 2 == 0) {
    config.urgent_slots = static_cast<int32_t>(random() % static_cast<uint32_t>(config.slots));
    KvGroupSize& kv = config.kv[0];
    kv.blocks = std::max(kv.blocks, (config.urgent_slots + 1) * kv.most_per_sequence);
  }
  Harness h(config);
  std::deque<BatchPlan> out;
  std::map<SequenceId, int64_t> next_position;
  std::set<SequenceId> alive;
  SequenceId id = 0;
  for (int step = 0; step < 3000; ++step) {
    if (random() % 3 == 0) {
      Request request = Prompt(1 + random() % 300, random() % 40);
      if (request.max_tokens == 0) request.prompt_logprobs = 0;
      request.priority = static_cast<Priority>(random() % 5) - 2;
      if (random() % 5 == 0) request.deadline = h.clock.Now() + absl::Milliseconds(random() % 100);
      if (h.Add(++id, request).ok()) alive.insert(id);
    }
    if (random() % 20 == 0 && !alive.empty()) {
      h.scheduler.Cancel(*alive.begin(), FinishReason::kCancelled, h.clock.Now());
    }
    if (auto plan = h.Plan()) {
      ASSERT_LE(plan->num_tokens, config.max_batch_tokens);
      std::set<PageId> slots, blocks;
      int32_t rows = 0;
      for (size_t i = 0; i < plan->sequences.size(); ++i) {
        const PlannedSequence& s = plan->sequences[i];
        ASSERT_TRUE(slots.insert(s.slot).second) << "slot used twice";
        for (PageId block : s.blocks[0]) ASSERT_TRUE(blocks.insert(block).second) << "block used twice";
        ASSERT_EQ(s.start, next_position[s.id]) << "a position was skipped or repeated";
        ASSERT_EQ(s.tokens.empty(), static_cast<int32_t>(i) < plan->num_decode);
        next_position[s.id] += s.num_tokens;
        rows += s.num_tokens;
      }
      ASSERT_EQ(rows, plan->num_tokens);
      out.push_back(*std::move(plan));
    }
    if (!out.empty() && (static_cast<int32_t>(out.size()) == config.max_steps_in_flight || random() % 2 == 0)) {
      h.Commit(out.front(), static_cast<int32_t>(random() % 50));
      out.pop_front();
    }
    h.Collect();
    for (const auto& [ended, finish] : h.finishes) alive.erase(ended);
    const SchedulerStats stats = h.scheduler.stats();
    ASSERT_LE(stats.waiting, 2 * config.max_waiting);
    ASSERT_LE(stats.blocks_used, config.kv[0].blocks);
  }
  while (!out.empty()) {
    h.Commit(out.front());
    out.pop_front();
  }
  h.RunToEnd();
  h.Collect();
  for (const auto& [ended, finish] : h.finishes) alive.erase(ended);
  EXPECT_TRUE(alive.empty()) << "a request never ended";
  EXPECT_EQ(h.scheduler.stats().slots_used, 0);
  EXPECT_EQ(h.scheduler.stats().blocks_used, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SchedulerRandom, testing::Range(0u, 20u));

}  // namespace
}  // namespace batucada
