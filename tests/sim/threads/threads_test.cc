// The step loop, its channels and their consumers under every order of threads that a seed can think of: each consumer
// is told its whole text, in order, and its end exactly once, whoever cancels, abandons, reads slowly or shuts down.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "engine/channel.h"
#include "engine/run/fake_backend.h"
#include "engine/run/step_loop.h"
#include "tests/sim/knowing_drafter.h"
#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

constexpr int kClients = 4;

struct Outcome {
  uint64_t switches = 0;
  uint64_t ended[7] = {};  // by FinishReason
  uint64_t refused = 0, abandoned = 0;
  uint64_t kept = 0, rejected = 0;  // rows of drafts
  uint64_t discarded = 0;           // slots
};

// Fails now and then, as a device does.
class FailingBackend : public Backend {
 public:
  FailingBackend(const FakeBackendConfig& config, bool fails) : fake_(config), fails_(fails) {}
  const BackendCapacity& capacity() const override { return fake_.capacity(); }
  absl::Status Launch(const BatchPlan& plan) override {
    if (fails_ && ThreadWorld::Get().Below(50) == 0) return absl::InternalError("the device failed");
    for (const PlannedSequence& s : plan.sequences) used_.insert(s.slot);
    return fake_.Launch(plan);
  }
  absl::StatusOr<bool> LaunchParts(const BatchPlan& plan, int32_t count) override {
    if (fails_ && ThreadWorld::Get().Below(50) == 0) return absl::InternalError("the device failed");
    return fake_.LaunchParts(plan, count);
  }
  absl::Status AwaitParts() override {
    ThreadWorld::Get().Yield();
    if (fails_ && ThreadWorld::Get().Below(50) == 0) return absl::InternalError("the device failed");
    return fake_.AwaitParts();
  }
  absl::Status Draw(const BatchPlan& plan) override { return fake_.Draw(plan); }
  absl::StatusOr<StepResult> Wait() override {
    ThreadWorld::Get().Yield();
    if (fails_ && ThreadWorld::Get().Below(50) == 0) return absl::InternalError("the device failed");
    return fake_.Wait();
  }
  void HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) override {
    fake_.HostBytes(group, page, out);
  }
  void Discard(const PoolPages& pages) override {
    ThreadWorld::Get().Yield();
    fake_.Discard(pages);
    if (pages.group != kSlots || pages.tier != Tier::kRunning) return;
    for (PageId i = 0; i < pages.pages.count; ++i) discarded_ += used_.erase(pages.pages.first + i);
  }
  // Slots that were used and not discarded since.
  bool uses_any() const { return !used_.empty(); }
  uint64_t discarded() const { return discarded_; }

 private:
  FakeBackend fake_;
  const bool fails_;
  std::set<PageId> used_;
  uint64_t discarded_ = 0;
};

class World {
 public:
  explicit World(uint64_t seed) : threads_(seed), tokenizer_(MakeByteTokenizer(300)) {
    const auto slots = static_cast<int32_t>(1 + threads_.Below(4));
    const auto in_flight = static_cast<int32_t>(1 + threads_.Below(2));
    fake_ = {.capacity = {.slots = slots, .kv = {}, .block_tokens = 8, .max_steps_in_flight = in_flight},
             .vocab_size = 300,
             .windows = {}};
    SchedulerConfig config{.max_batch_tokens = slots + static_cast<int32_t>(threads_.Below(10)),
                           .max_waiting = static_cast<int32_t>(1 + threads_.Below(6)),
                           .max_steps_in_flight = in_flight,
                           .slots = slots,
                           .max_decode_rows = static_cast<int32_t>(1 + threads_.Below(4))};
    fake_.capacity.max_decode_rows = config.max_decode_rows;
    fake_.capacity.max_drafts = config.max_drafts;
    config.cuts_steps = threads_.Below(2) == 0;
    drafter_ = std::make_unique<sim::KnowingDrafter>(fake_, seed);
    if (config.max_decode_rows > 1) config.drafter = drafter_.get();
    if (threads_.Below(2) == 0) {
      config.prefix_cache = PrefixCacheConfig{.device = {.slots = 3, .blocks = {}},
                                              .host = {.slots = 4, .blocks = {}},
                                              .least_tokens = 2,
                                              .worth_waiting = 2};
    }
    auto backend = std::make_unique<FailingBackend>(fake_, threads_.Below(4) == 0);
    backend_ = backend.get();
    loop_ = std::make_shared<StepLoop>(config, std::move(backend), threads_.clock(), nullptr);
  }

  Outcome Run() {
    std::vector<Thread> clients;
    for (int i = 0; i < kClients; ++i) clients.emplace_back([this, i] { Client(i); });
    if (threads_.Below(2) == 0) {
      for (uint64_t i = threads_.Below(200); i > 0; --i) threads_.Yield();
      loop_->Drain(threads_.clock()->Now() + absl::Milliseconds(static_cast<int64_t>(threads_.Below(3000))));
    }
    for (Thread& client : clients) client.join();
    loop_->Drain(absl::InfinitePast());
    EXPECT_EQ(loop_->stats().running, 0);
    // The loop has nothing to do, and time passes: memory that nobody uses goes back.
    while (backend_->uses_any()) threads_.Yield();
    outcome_.discarded = backend_->discarded();
    loop_.reset();  // its thread ends
    outcome_.switches = threads_.switches();
    outcome_.kept = drafter_->kept();
    outcome_.rejected = drafter_->rejected();
    return outcome_;
  }

 private:
  void Client(int id) {
    for (uint64_t requests = 1 + threads_.Below(4); requests > 0; --requests) {
      Request request{.prompt = std::vector<int32_t>(1 + threads_.Below(20), id % 2),
                      .sampling = {.temperature = 0},
                      .max_tokens = static_cast<int64_t>(1 + threads_.Below(30)),
                      .ignore_eos = true};
      // A buffer that may be too small, or just large enough.
      const uint64_t capacity =
          threads_.Below(3) == 0 ? 1 + threads_.Below(static_cast<uint64_t>(request.max_tokens)) : 100;
      // Asked by the step loop's thread, until it says no: in half of the cases there is more room, in the end or
      // never.
      const TokenRoom room = [this](size_t) { return threads_.Below(2) == 0; };
      auto channel = std::make_shared<Channel>(capacity, tokenizer_, *StopMatcher::Create({}), request,
                                               threads_.Below(2) == 0 ? room : nullptr);
      const absl::StatusOr<SequenceId> added = loop_->Add(request, channel);
      if (!added.ok()) {
        ++outcome_.refused;
        continue;
      }
      channel->Bind(loop_, *added);
      threads_.Below(2) == 0 ? Read(*channel, request) : ReadWhenReady(*channel, request);
    }
  }

  // What one consumer has been told so far.
  struct Told {
    std::vector<int32_t> history;
    size_t prompt = 0;
    bool ended = false;
  };

  void Take(const Update& update, const Request& request, Told& told) {
    EXPECT_FALSE(told.ended) << "something comes after the end";
    for (const TokenResult& token : update.tokens) {
      EXPECT_EQ(token.id, FakeBackend::Draw(fake_, told.history, request.sampling));
      told.history.push_back(token.id);
    }
    if (!update.finish) return;
    told.ended = true;
    const auto tokens = static_cast<int64_t>(told.history.size() - told.prompt);
    EXPECT_EQ(update.finish->generated_tokens, tokens);
    EXPECT_EQ(update.finish->reason == FinishReason::kLength, tokens == request.max_tokens);
    ++outcome_.ended[static_cast<size_t>(update.finish->reason)];
  }

  static Told Begin(const Request& request) {
    return {.history = request.prompt.vector(), .prompt = request.prompt.size()};
  }

  void Read(Channel& channel, const Request& request) {
    Told told = Begin(request);
    const uint64_t patience = threads_.Below(3) == 0 ? threads_.Below(10) : 1000;
    for (uint64_t i = 0; !told.ended; ++i) {
      if (i == patience && threads_.Below(2) == 0) return Abandon(channel);
      if (i == patience) channel.Cancel(FinishReason::kCancelled);
      for (uint64_t idle = threads_.Below(30); idle > 0; --idle) threads_.Yield();
      Update update;
      if (!channel.Wait(&update, absl::InfiniteFuture())) {
        ADD_FAILURE() << "waited for nothing";
        return;
      }
      Take(update, request, told);
    }
    Update update;
    EXPECT_FALSE(channel.Poll(&update)) << "something comes after the end";
  }

  void ReadWhenReady(Channel& channel, const Request& request) {
    struct Flag {
      Mutex mutex;
      Condition changed;
      bool ready = false;
    };
    const auto flag = std::make_shared<Flag>();
    channel.OnReady([flag] {
      const std::lock_guard lock(flag->mutex);
      flag->ready = true;
      flag->changed.notify_one();
    });
    Told told = Begin(request);
    const bool impatient = threads_.Below(4) == 0;
    while (!told.ended) {
      {
        std::unique_lock lock(flag->mutex);
        flag->changed.wait(lock, [&] { return flag->ready; });
        flag->ready = false;
      }
      Update update;
      while (channel.Poll(&update)) Take(update, request, told);
      if (impatient && !told.ended && threads_.Below(4) == 0) return Abandon(channel);
    }
  }

  void Abandon(Channel& channel) {
    ++outcome_.abandoned;
    channel.Abandon();
  }

  ThreadWorld threads_;
  FakeBackendConfig fake_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<sim::KnowingDrafter> drafter_;
  const FailingBackend* backend_ = nullptr;  // the loop's
  std::shared_ptr<StepLoop> loop_;
  Outcome outcome_;
};

TEST(Threads, EveryConsumerIsToldItsWholeTextAndItsEndOnce) {
  Outcome sum;
  for (uint64_t seed = 0; seed < 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    const Outcome outcome = World(seed).Run();
    for (size_t i = 0; i < std::size(sum.ended); ++i) sum.ended[i] += outcome.ended[i];
    sum.refused += outcome.refused;
    sum.abandoned += outcome.abandoned;
    sum.kept += outcome.kept;
    sum.rejected += outcome.rejected;
    sum.discarded += outcome.discarded;
  }
  // All of it happened.
  EXPECT_GT(sum.ended[static_cast<size_t>(FinishReason::kLength)], 30u);
  EXPECT_GT(sum.ended[static_cast<size_t>(FinishReason::kCancelled)], 0u);
  EXPECT_GT(sum.ended[static_cast<size_t>(FinishReason::kOverrun)], 0u);
  EXPECT_GT(sum.ended[static_cast<size_t>(FinishReason::kShutdown)], 0u);
  EXPECT_GT(sum.ended[static_cast<size_t>(FinishReason::kError)], 0u);
  EXPECT_GT(sum.refused, 0u);
  EXPECT_GT(sum.abandoned, 0u);
  EXPECT_GT(sum.kept, 100u);
  EXPECT_GT(sum.rejected, 100u);
  EXPECT_GT(sum.discarded, 100u);
}

TEST(Threads, ASeedIsALife) {
  const Outcome first = World(5).Run(), second = World(5).Run();
  EXPECT_EQ(first.switches, second.switches);
  EXPECT_EQ(first.abandoned, second.abandoned);
}

// The referee itself: a lock that is forgotten and a notification that is lost are found.
TEST(ThreadsDeathTest, ADeadlockIsFound) {
  EXPECT_DEATH(
      {
        ThreadWorld world(1);
        Mutex mutex;
        Condition never;
        std::unique_lock lock(mutex);
        never.wait(lock);
      },
      "seed 1: a deadlock");
}

}  // namespace
}  // namespace batucada
