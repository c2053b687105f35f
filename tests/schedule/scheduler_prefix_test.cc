// What the cache of prefixes saves and when, on the fake backend: how many prompt tokens are computed.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/run/fake_backend.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

constexpr int32_t kBlockTokens = 16;

class PrefixTest : public testing::Test {
 protected:
  struct Answer {
    std::vector<int32_t> ids;
    std::optional<Finish> finish;
  };

  PrefixTest() {
    constexpr int32_t steps_in_flight = 2;
    const KvGroupSize window{.blocks = 200, .most_per_sequence = 5},
        all{.blocks = 400, .most_per_sequence = 100, .grows = true};
    fake_ = {.capacity = {.slots = 20,
                          .kv = {window, all},
                          .block_tokens = kBlockTokens,
                          .max_steps_in_flight = steps_in_flight},
             .vocab_size = 1000,
             .windows = {60, 1600}};
    config_ = {.max_batch_tokens = 300,
               .max_steps_in_flight = steps_in_flight,
               .slots = 20,
               .kv = fake_.capacity.kv,
               .block_tokens = kBlockTokens,
               .prefix_cache =
                   PrefixCacheConfig{.device = {.slots = 30, .blocks = {150, 0}}, .host = {.slots = 0, .blocks = {}}}};
    scheduler_ = std::make_unique<Scheduler>(config_);
    backend_ = std::make_unique<FakeBackend>(fake_);
  }

  static std::vector<int32_t> Tokens(size_t count, int32_t salt) {
    std::vector<int32_t> ids(count);
    for (size_t i = 0; i < count; ++i)
      ids[i] = static_cast<int32_t>((i * 37 + static_cast<size_t>(salt) * 101 + i * i) % 1000);
    return ids;
  }
  static std::vector<int32_t> Join(std::vector<int32_t> a, const std::vector<int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  SequenceId Add(std::vector<int32_t> prompt, const std::string& scope = "", std::vector<int64_t> checkpoints = {}) {
    Request request{.prompt = std::move(prompt), .sampling = {.temperature = 0}, .max_tokens = 12};
    request.cache_scope = scope;
    request.checkpoints = std::move(checkpoints);
    prompts_[++last_id_] = request.prompt.vector();
    EXPECT_TRUE(scheduler_->Add(last_id_, request, clock_.Now()).ok());
    return last_id_;
  }

  void Answered(Request request) {
    prompts_[++last_id_] = request.prompt.vector();
    EXPECT_TRUE(scheduler_->Add(last_id_, std::move(request), clock_.Now()).ok());
    Run();
  }

  // Until nobody is left; every token is the cold one.
  void Run() {
    std::deque<uint64_t> out;
    while (!scheduler_->idle() || !out.empty()) {
      const std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
      if (plan) {
        const absl::Status launched = backend_->Launch(*plan);
        ASSERT_TRUE(launched.ok()) << launched;
        out.push_back(plan->step);
      }
      if (!out.empty() && (!plan || static_cast<int32_t>(out.size()) == config_.max_steps_in_flight)) {
        out.pop_front();
        scheduler_->Commit(*backend_->Wait(), clock_.Now());
      }
      for (const SequenceEvent& event : scheduler_->TakeEvents()) {
        Answer& answer = answers_[event.id];
        if (event.token) {
          const std::vector<int32_t> history = Join(prompts_[event.id], answer.ids);
          ASSERT_EQ(event.token->id, FakeBackend::Draw(fake_, history, {.temperature = 0}));
          answer.ids.push_back(event.token->id);
        }
        if (!event.finish) continue;
        answer.finish = *event.finish;
        talk_ended_ = scheduler_->SessionEnds(7, "talk");
      }
    }
  }
  // Prompt tokens computed for one prompt alone.
  int64_t Computed(std::vector<int32_t> prompt, const std::string& scope = "", std::vector<int64_t> checkpoints = {}) {
    const uint64_t before = scheduler_->stats().prompt_tokens;
    const auto length = static_cast<int64_t>(prompt.size());
    const SequenceId id = Add(std::move(prompt), scope, std::move(checkpoints));
    Run();
    const auto computed = static_cast<int64_t>(scheduler_->stats().prompt_tokens - before);
    EXPECT_EQ(answers_[id].finish->cached_tokens, length - computed);
    return computed;
  }

  FakeBackendConfig fake_;
  SchedulerConfig config_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<FakeBackend> backend_;
  ManualClock clock_;
  SequenceId last_id_ = 0;
  bool talk_ended_ = false;  // at the newest end, and not kept yet: a text of session "talk"
  std::map<SequenceId, std::vector<int32_t>> prompts_;
  std::map<SequenceId, Answer> answers_;
};

TEST_F(PrefixTest, AConversationGoesOnWhereItsAnswerEnded) {
  std::vector<int32_t> text = Tokens(200, 1);
  EXPECT_EQ(Computed(text), 200);
  for (int turn = 0; turn < 5; ++turn) {
    // All but the last token drawn was computed; then what the user says now.
    text = Join(Join(text, answers_[last_id_].ids), Tokens(10, 50 + turn));
    EXPECT_EQ(Computed(text), 11);
  }
}

TEST_F(PrefixTest, AMessageBorderIsFoundAtTheSecondSightAndABranchAtTheThird) {
  const std::vector<int32_t> system = Tokens(150, 1);
  EXPECT_EQ(Computed(Join(system, Tokens(100, 2)), "", {150}), 250);
  EXPECT_EQ(Computed(Join(system, Tokens(100, 3)), "", {150}), 100);

  const std::vector<int32_t> common = Tokens(170, 9);
  EXPECT_EQ(Computed(Join(common, Tokens(100, 12))), 270);
  EXPECT_EQ(Computed(Join(common, Tokens(100, 13))), 270);
  EXPECT_EQ(Computed(Join(common, Tokens(100, 14))), 100);
}

TEST_F(PrefixTest, BreakpointsComeBeforeAllOtherPlaces) {
  const std::vector<int32_t> system = Tokens(150, 1);
  Request request{.prompt = Join(system, Tokens(100, 2)), .sampling = {.temperature = 0}, .max_tokens = 12};
  request.checkpoints = std::vector<int64_t>{120, 180};  // too near to be beside it
  request.breakpoints = std::vector<int64_t>{150};
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cache_write_tokens, 250);
  EXPECT_EQ(Computed(Join(system, Tokens(100, 3))), 100);
}

TEST_F(PrefixTest, NothingButBreakpointsIsKeptWhereTheyAreToBeAll) {
  const std::vector<int32_t> system = Tokens(150, 1), text = Join(system, Tokens(100, 2));
  Request request{.prompt = text, .sampling = {.temperature = 0}, .max_tokens = 12};
  request.only_breakpoints = true;
  request.checkpoints = std::vector<int64_t>{180};
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cache_write_tokens, 0);
  EXPECT_EQ(scheduler_->prefix_stats()->written, 0u);
  request.breakpoints = std::vector<int64_t>{20, 150};  // the first is not worth its place
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cache_write_tokens, 150);
  EXPECT_EQ(scheduler_->prefix_stats()->written, 1u);
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cached_tokens, 150);
  EXPECT_EQ(answers_[last_id_].finish->cache_write_tokens, 0);
}

TEST_F(PrefixTest, ASessionStandsAtTheNewestStateOfItsText) {
  Request request{.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 12};
  request.session = "talk";
  request.session_owner = 7;
  const auto stands_at = [this] {
    const SessionTable::Session* const session = scheduler_->prefix()->sessions().Find(7, "talk");
    return session == nullptr ? -1 : session->tip->position();
  };
  EXPECT_EQ(stands_at(), -1);
  Answered(request);
  EXPECT_TRUE(talk_ended_);  // whoever was told of the end may be ahead of the plan that keeps it
  EXPECT_FALSE(scheduler_->SessionEnds(7, "talk"));
  EXPECT_EQ(stands_at(), 211);  // all but the token drawn last
  request.prompt = Join(Join(request.prompt.vector(), answers_[last_id_].ids), Tokens(30, 2));
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cached_tokens, 211);
  EXPECT_EQ(stands_at(), 212 + 30 + 11);
  EXPECT_EQ(scheduler_->prefix()->sessions().Find(8, "talk"), nullptr);
  // The state goes with the name, and what the text had before stays.
  EXPECT_FALSE(scheduler_->prefix()->EraseSession(8, "talk"));
  EXPECT_TRUE(scheduler_->prefix()->EraseSession(7, "talk"));
  EXPECT_EQ(stands_at(), -1);
  request.prompt = Join(request.prompt.vector(), answers_[last_id_].ids);
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cached_tokens, 242);
}

// Its prompt's end is another's, and its answer is not worth a state of its own.
TEST_F(PrefixTest, ASessionOfAShortAnswerStandsAtTheStateAboveIt) {
  Request request{.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 4};
  Answered(request);
  request.session = "talk";
  request.session_owner = 7;
  Answered(request);
  const SessionTable::Session* const session = scheduler_->prefix()->sessions().Find(7, "talk");
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->tip->position(), 200);
}

TEST_F(PrefixTest, WhatWasThereBeforeIsNotWritten) {
  Request request{.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 12};
  Answered(request);
  request.prompt = Join(Join(request.prompt.vector(), answers_[last_id_].ids), Tokens(30, 2));
  Answered(request);
  EXPECT_EQ(answers_[last_id_].finish->cached_tokens, 211);
  EXPECT_EQ(answers_[last_id_].finish->cache_write_tokens, 242 - 211);
}

TEST_F(PrefixTest, AStateStaysAsLongAsASessionStandsThere) {
  Request request{.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 12};
  request.session = "talk";
  request.session_owner = 7;
  Answered(request);
  SessionTable& sessions = scheduler_->prefix()->sessions();
  sessions.Point(7, "copy", sessions.Find(7, "talk")->tip, clock_.Now());
  EXPECT_TRUE(scheduler_->prefix()->EraseSession(7, "talk"));
  ASSERT_NE(sessions.Find(7, "copy"), nullptr);
  EXPECT_EQ(sessions.Find(7, "copy")->tip->position(), 211);
  EXPECT_EQ(Computed(Join(Join(request.prompt.vector(), answers_[last_id_].ids), Tokens(10, 2))), 11);
}

TEST_F(PrefixTest, OfOneTextNoMoreIsKeptThanMayBe) {
  for (const int32_t most : {2, 3, 5}) {
    config_.prefix_cache->most_per_path = most;
    scheduler_ = std::make_unique<Scheduler>(config_);
    std::vector<int32_t> text = Tokens(100, 1);
    for (int turn = 0; turn < 8; ++turn) {
      const SequenceId id = Add(text);
      Run();
      text = Join(Join(text, answers_[id].ids), Tokens(30, turn));
    }
    EXPECT_EQ(scheduler_->prefix_stats()->device_stored, most);
  }
}

// Notes what is written, and reads nothing.
class NotingDisk : public CheckpointDisk {
 public:
  std::vector<Found> TakeFound() override { return {}; }
  Record Write(const std::string&, const std::string&, std::vector<int32_t> ids, const StoredPages&) override {
    if (behind) return 0;
    written.push_back(ids.size());
    done_.push_back({.record = written.size(), .ok = true});
    return written.size();
  }
  void Read(Record record, const StoredPages&) override { done_.push_back({.record = record, .ok = false}); }
  std::vector<Done> TakeDone() override { return std::exchange(done_, {}); }
  std::vector<Record> TakeGone() override { return {}; }
  std::vector<Record> TakeLeaving() override { return std::exchange(leaving, {}); }
  void Keep(std::vector<Kept> records) override {
    for (const Kept& one : records) kept.push_back(one.record);
  }
  void WakeWith(std::function<void()>) override {}
  CheckpointDiskStats stats() const override { return {}; }

  bool behind = false;          // takes nothing for now
  std::vector<size_t> written;  // tokens; the first is record 1
  std::vector<Record> leaving, kept;

 private:
  std::vector<Done> done_;
};

class PrefixDiskTest : public PrefixTest {
 protected:
  PrefixDiskTest() {
    config_.prefix_cache->host = fake_.capacity.host = {.slots = 30, .blocks = {150, 3000}};
    config_.prefix_cache->ladder_tokens = 400;
    config_.prefix_cache->disk = &disk_;
    scheduler_ = std::make_unique<Scheduler>(config_);
    backend_ = std::make_unique<FakeBackend>(fake_);
  }
  ~PrefixDiskTest() override { scheduler_.reset(); }

  // Until nothing is left to be written.
  void Settle() {
    Run();
    while (scheduler_->busy()) Move();
  }
  // A step of what goes on without sequences.
  void Move() {
    if (const std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now())) {
      ASSERT_TRUE(backend_->Launch(*plan).ok());
      scheduler_->Commit(*backend_->Wait(), clock_.Now());
    }
  }

  NotingDisk disk_;
};

TEST_F(PrefixDiskTest, OfATurnItsAnswersEndIsWritten) {
  std::vector<int32_t> text = Tokens(200, 1);
  Add(text);
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{211}));
  text = Join(Join(text, answers_[last_id_].ids), Tokens(30, 2));
  Add(text);
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{211, 253}));
}

TEST_F(PrefixDiskTest, NothingIsWrittenOfWhatIsToStayInMemory) {
  Request request{.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 12};
  request.keep_off_disk = true;
  Answered(request);
  Settle();
  EXPECT_EQ(scheduler_->prefix_stats()->written, 2u);
  EXPECT_TRUE(disk_.written.empty());
}

// Its answer may come back as other tokens, or without what was thought: then the text goes on from the border.
TEST_F(PrefixDiskTest, OfAConversationItsNewestBorderIsWrittenToo) {
  Add(Tokens(200, 1), "", {196});  // so near to the end that nothing else is kept of the prompt
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{196, 211}));
}

TEST_F(PrefixDiskTest, APromptsEndIsWrittenWhereNoAnswerFollows) {
  const SequenceId id = Add(Tokens(200, 1));
  for (int step = 0; step < 4; ++step) {
    const std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
    ASSERT_TRUE(plan && backend_->Launch(*plan).ok());
    scheduler_->Commit(*backend_->Wait(), clock_.Now());
    EXPECT_TRUE(disk_.written.empty());
  }
  scheduler_->Cancel(id, FinishReason::kCancelled, clock_.Now());
  static_cast<void>(scheduler_->TakeEvents());
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{200}));
}

// The end of so short an answer is not kept. What it began from goes to the disk as it leaves: no other plan may come.
TEST_F(PrefixDiskTest, BehindAShortAnswerThePromptsEndIsWrittenAtOnce) {
  Answered({.prompt = Tokens(200, 1), .sampling = {.temperature = 0}, .max_tokens = 4});
  EXPECT_EQ(disk_.written, (std::vector<size_t>{200}));
  EXPECT_TRUE(scheduler_->saved());
}

TEST_F(PrefixDiskTest, ALadderIsWrittenAndWhereTextsPart) {
  const std::vector<int32_t> text = Tokens(900, 1);
  Add(text, "", {250});
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{400, 800, 911}));
  disk_.written.clear();
  Add(Join({text.begin(), text.begin() + 250}, Tokens(40, 2)), "", {250});
  Settle();
  std::sort(disk_.written.begin(), disk_.written.end());
  EXPECT_EQ(disk_.written, (std::vector<size_t>{250, 301}));
}

TEST_F(PrefixDiskTest, WhereTheDiskIsBehindALadderWaitsForAnswersEnds) {
  disk_.behind = true;
  Add(Tokens(900, 1));
  Run();
  Add(Tokens(200, 2));
  Run();
  for (int step = 0; step < 10; ++step) Move();  // to the host
  disk_.behind = false;
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{911, 211, 400, 800}));
}

TEST_F(PrefixDiskTest, OfWhatGoesNextWhatIsWorthMostIsKept) {
  std::vector<int32_t> text = Tokens(100, 1);
  for (int turn = 0; turn < 3; ++turn) {
    Add(text);
    Settle();
    text = Join(Join(text, answers_[last_id_].ids), Tokens(30, turn));
  }
  Add(Tokens(300, 7));
  Settle();
  Add(Tokens(90, 8));
  Settle();
  EXPECT_EQ(disk_.written, (std::vector<size_t>{111, 153, 195, 311, 101}));
  // One of four; none whose text has gone on.
  disk_.leaving = {1, 2, 3, 4, 99};
  static_cast<void>(scheduler_->Plan(clock_.Now()));
  EXPECT_EQ(disk_.kept, (std::vector<CheckpointDisk::Record>{4}));
  disk_.kept.clear();
  disk_.leaving = {1, 2};
  static_cast<void>(scheduler_->Plan(clock_.Now()));
  EXPECT_TRUE(disk_.kept.empty());
}

TEST_F(PrefixTest, ScopesNeverMeet) {
  const std::vector<int32_t> text = Tokens(200, 1);
  for (const char* scope : {"a", "b", ""}) EXPECT_EQ(Computed(text, scope, {150}), 200);
  EXPECT_EQ(Computed(text, "a"), 50);
}

TEST_F(PrefixTest, SixteenChoicesCostOnePrefill) {
  const std::vector<int32_t> text = Tokens(900, 1);
  for (int i = 0; i < 16; ++i) Add(text);
  Run();
  EXPECT_EQ(scheduler_->stats().prompt_tokens, 900u + 15);
  for (SequenceId id = 1; id <= 16; ++id) EXPECT_EQ(answers_[id].ids, answers_[1].ids);
}

TEST_F(PrefixTest, EqualBeginningsAtOnceAreComputedOnce) {
  const std::vector<int32_t> common = Tokens(600, 1);
  for (int i = 0; i < 8; ++i) Add(Join(common, Tokens(50, 10 + i)));
  Run();
  EXPECT_EQ(scheduler_->stats().prompt_tokens, 600u + 8 * 50);
  EXPECT_EQ(scheduler_->prefix_stats()->waits, 7u);
}

TEST_F(PrefixTest, WhoWaitsGoesOnAloneIfTheOtherIsCancelled) {
  const std::vector<int32_t> text = Tokens(1200, 1);
  const SequenceId first = Add(text), second = Add(text);
  const std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
  ASSERT_TRUE(plan && plan->sequences.size() == 1);  // the second waits
  ASSERT_TRUE(backend_->Launch(*plan).ok());
  scheduler_->Cancel(first, FinishReason::kCancelled, clock_.Now());
  scheduler_->Commit(*backend_->Wait(), clock_.Now());
  Run();
  EXPECT_EQ(answers_[second].finish->reason, FinishReason::kLength);
  EXPECT_EQ(answers_[second].ids.size(), 12u);
}

TEST_F(PrefixTest, ACheckpointIsNotThereBeforeItsStepHasEnded) {
  const std::vector<int32_t> text = Tokens(250, 1);
  Add(text, "", {100});
  const std::optional<BatchPlan> first = scheduler_->Plan(clock_.Now());
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->copies.saved.empty());
  EXPECT_EQ(first->num_tokens, 100);
  // The device fails before the step has ended.
  scheduler_->CancelAll(FinishReason::kError, clock_.Now(), "the device failed", /*abandon_steps=*/true);
  static_cast<void>(scheduler_->TakeEvents());
  backend_->LoseDevice();
  EXPECT_EQ(Computed(text, "", {100}), 250);
}

TEST_F(PrefixTest, AGrowingGroupSharesItsFullBlocks) {
  const std::vector<int32_t> common = Tokens(800, 1);
  EXPECT_EQ(Computed(Join(common, Tokens(20, 2)), "", {800}), 820);
  for (int i = 0; i < 10; ++i) Add(Join(common, Tokens(20, 10 + i)));
  static_cast<void>(scheduler_->Plan(clock_.Now()));
  // Ten sequences of 831 positions would hold 10 · 52 blocks of the growing group, of 400.
  EXPECT_EQ(scheduler_->stats().running, 10);
  EXPECT_LE(scheduler_->stats().blocks_used, 10 * 5 + 50 + 10 * 2);
}

}  // namespace
}  // namespace batucada
