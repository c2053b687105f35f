#include "server/net/work_pool.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Holds the pool's threads until it is told not to.
class Gate {
 public:
  void Open() { opened_.set_value(); }
  std::function<void()> Task() {
    return [this] {
      ++entered_;
      opening_.wait();
    };
  }
  int entered() const { return entered_; }
  void WaitUntilEntered(int count) {
    while (entered_ < count) std::this_thread::yield();
  }

 private:
  std::promise<void> opened_;
  std::shared_future<void> opening_ = opened_.get_future().share();
  std::atomic<int> entered_{0};
};

Client Of(uint64_t key, uint64_t connection) { return {.key = key, .connection = connection}; }
constexpr auto kDone = [] {};

TEST(WorkPoolTest, RunsInOrderAndBoundsWhatWaits) {
  Gate gate;
  std::vector<int> order;  // the one thread's
  {
    WorkPool pool(1, 100);
    ASSERT_TRUE(pool.TryPost(Of(1, 1), 1000, gate.Task()).ok());  // more than may wait, but nothing does
    gate.WaitUntilEntered(1);
    EXPECT_TRUE(pool.TryPost(Of(2, 2), 60, [&] { order.push_back(1); }).ok());
    const absl::Status refusal = pool.TryPost(Of(3, 3), 41, [&] { order.push_back(2); });
    EXPECT_TRUE(absl::IsResourceExhausted(refusal));
    EXPECT_THAT(std::string(refusal.message()), AllOf(HasSubstr("60"), HasSubstr("100"), HasSubstr("--max-text-back")));
    EXPECT_TRUE(pool.TryPost(Of(4, 4), 40, [&] { order.push_back(3); }).ok());
    EXPECT_EQ(pool.waiting_bytes(), 100);
    EXPECT_TRUE(pool.TryPost(Of(5, 5), 0, [] {}).ok());
    gate.Open();
    while (pool.waiting_bytes() > 0) std::this_thread::yield();
    EXPECT_TRUE(pool.TryPost(Of(1, 1), 100, [] {}).ok());
  }
  EXPECT_EQ(order, (std::vector<int>{3, 1}));
}

TEST(WorkPoolTest, NobodyFillsItForTheOthers) {
  Gate gate;
  WorkPool pool(1, 8 << 20);
  ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, gate.Task()).ok());
  gate.WaitUntilEntered(1);
  const auto message = [&](const Client& owner, int64_t bytes) {
    return std::string(pool.TryPost(owner, bytes, kDone).message());
  };
  // A connection has a quarter, but always one task.
  EXPECT_EQ(message(Of(1, 1), 2 << 20), "");
  EXPECT_THAT(message(Of(1, 1), 1), HasSubstr("of this connection"));
  EXPECT_EQ(message(Of(1, 2), 2 << 20), "");
  EXPECT_EQ(message(Of(1, 3), 2 << 20), "");
  // A client has three quarters.
  EXPECT_THAT(message(Of(1, 4), 1), HasSubstr("of this client"));
  // And the last eighth is for small tasks, whoever brings the large ones.
  EXPECT_EQ(message(Of(2, 5), 1 << 20), "");
  EXPECT_THAT(message(Of(3, 6), WorkPool::kSmallBytes + 1), HasSubstr("at most 7340032"));
  EXPECT_EQ(message(Of(3, 6), WorkPool::kSmallBytes), "");
  gate.Open();
}

TEST(WorkPoolTest, SmallAndMiddlingTasksNeverWaitForLarge) {
  Gate large, middling;
  std::atomic<bool> small = false;
  WorkPool pool(4, 1 << 30);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.TryPost(Of(1, i), WorkPool::kMiddlingBytes + 1, large.Task()).ok());
  large.WaitUntilEntered(2);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pool.TryPost(Of(1, i), WorkPool::kSmallBytes + 1, middling.Task()).ok());
  middling.WaitUntilEntered(1);
  std::promise<void> done;
  ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, [&] { done.set_value(); }).ok());
  done.get_future().wait();
  EXPECT_EQ(large.entered(), 2) << "of four threads two take large tasks";
  EXPECT_EQ(middling.entered(), 1);
  large.Open();
  middling.Open();
}

TEST(WorkPoolTest, WhoTakesAllSizesStarvesNone) {
  // One thread, and there is always another task of each size: all get on.
  std::atomic<int> ran[3] = {};
  std::atomic<bool> over = false;
  std::promise<void> done;
  std::function<void(int)> again;  // outlives the pool, whose thread calls it
  {
    WorkPool pool(1, 1 << 30);
    static constexpr int64_t bytes[3] = {1, WorkPool::kSmallBytes + 1, WorkPool::kMiddlingBytes + 1};
    again = [&](int size) {
      if (!over) static_cast<void>(pool.TryPost(Of(1, size), bytes[size], [&again, size] { again(size); }));
      if (++ran[size] == 100 && ran[0] >= 90 && ran[1] >= 90 && ran[2] >= 90 && !over.exchange(true)) done.set_value();
    };
    for (const int size : {0, 1, 2})
      ASSERT_TRUE(pool.TryPost(Of(1, size), bytes[size], [&again, size] { again(size); }).ok());
    done.get_future().wait();
  }
  for (const std::atomic<int>& each : ran) EXPECT_NEAR(each, 100, 10);
}

TEST(WorkPoolTest, ThreadsWorkSideBySide) {
  Gate gate;
  WorkPool pool(2, 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.TryPost(Of(1, i), 1, gate.Task()).ok());
    gate.WaitUntilEntered(i + 1);
  }
  gate.Open();
}

TEST(WorkPoolTest, TheEndDropsWhatHasNotBegun) {
  Gate gate;
  std::atomic<bool> ran = false;
  auto held = std::make_shared<int>(7);
  std::thread opener;
  {
    WorkPool pool(1, 100);
    ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, gate.Task()).ok());
    gate.WaitUntilEntered(1);
    ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, [&ran, held] { ran = true; }).ok());
    opener = std::thread([&gate] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      gate.Open();
    });
  }
  opener.join();
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(WorkPoolTest, ADrainWaitsForWhatRunsAndWhatWaits) {
  WorkPool pool(1, 100);
  Gate gate;
  std::atomic<int> ran = 0, refused = 0;
  const auto refuse = [&](const absl::Status&) { ++refused; };
  ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, gate.Task(), refuse).ok());
  gate.WaitUntilEntered(1);
  ASSERT_TRUE(pool.TryPost(
                      Of(1, 1), 1, [&] { ++ran; }, refuse)
                  .ok());
  std::thread opener([&] { gate.Open(); });
  EXPECT_TRUE(pool.Drain(absl::InfiniteFuture()));
  opener.join();
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(refused, 0);
  EXPECT_TRUE(pool.TryPost(
                      Of(1, 1), 1, [&] { ++ran; }, refuse)
                  .ok())
      << "it has not ended";
  EXPECT_TRUE(pool.Drain(absl::InfiniteFuture()));
  EXPECT_EQ(ran, 2);
}

TEST(WorkPoolTest, WhereADrainsTimeIsUpWhatRunsAndWhatWaitsIsRefused) {
  WorkPool pool(1, 100);
  Gate gate;
  std::atomic<bool> ran = false;
  std::vector<std::string> refused;  // this thread's
  const auto refuse = [&](std::string name) {
    return [&refused, name = std::move(name)](const absl::Status& status) {
      EXPECT_TRUE(absl::IsUnavailable(status));
      refused.push_back(name);
    };
  };
  ASSERT_TRUE(pool.TryPost(Of(1, 1), 1, gate.Task(), refuse("running")).ok());
  gate.WaitUntilEntered(1);
  auto held = std::make_shared<int>();
  ASSERT_TRUE(pool.TryPost(
                      Of(1, 1), 50, [&ran, held] { ran = true; }, refuse("waiting"))
                  .ok());
  ASSERT_TRUE(pool.TryPost(Of(2, 2), 1, kDone).ok());  // nobody is to hear of it
  EXPECT_FALSE(pool.Drain(absl::InfinitePast()));
  EXPECT_THAT(refused, ::testing::UnorderedElementsAre("running", "waiting"));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(pool.waiting_bytes(), 0);
  EXPECT_TRUE(absl::IsUnavailable(pool.TryPost(Of(1, 1), 1, kDone)));
  gate.Open();
  EXPECT_TRUE(pool.Drain(absl::InfiniteFuture())) << "what ran has come to its end";
  EXPECT_FALSE(ran);
}

TEST(WorkPoolTest, StoppedItTakesNoMore) {
  WorkPool pool(2, 100);
  Gate gate;
  bool ended = false;
  ASSERT_TRUE(pool.TryPost(Of(1, 1), 1,
                           [&, enter = gate.Task()] {
                             enter();
                             ended = true;
                           })
                  .ok());
  gate.WaitUntilEntered(1);
  gate.Open();
  pool.Stop();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(absl::IsUnavailable(pool.TryPost(Of(1, 1), 1, kDone)));
  pool.Stop();
}

}  // namespace
}  // namespace batucada
