#include "server/work_pool.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace batucada {
namespace {

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
  void WaitUntilEntered(int count) {
    while (entered_ < count) std::this_thread::yield();
  }

 private:
  std::promise<void> opened_;
  std::shared_future<void> opening_ = opened_.get_future().share();
  std::atomic<int> entered_{0};
};

TEST(WorkPoolTest, RunsInOrderAndBoundsWhatWaits) {
  Gate gate;
  std::vector<int> order;  // the one thread's
  {
    WorkPool pool(1, 100);
    ASSERT_TRUE(pool.TryPost(1000, gate.Task()));  // more than may wait, but nothing does
    gate.WaitUntilEntered(1);
    EXPECT_TRUE(pool.TryPost(60, [&] { order.push_back(1); }));
    EXPECT_FALSE(pool.TryPost(41, [&] { order.push_back(2); }));
    EXPECT_TRUE(pool.TryPost(40, [&] { order.push_back(3); }));
    std::promise<void> done;
    EXPECT_TRUE(pool.TryPost(0, [&] { done.set_value(); }));
    gate.Open();
    done.get_future().wait();
    EXPECT_TRUE(pool.TryPost(100, [] {}));
  }
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
}

TEST(WorkPoolTest, ThreadsWorkSideBySide) {
  Gate gate;
  WorkPool pool(2, 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.TryPost(1, gate.Task()));
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
    ASSERT_TRUE(pool.TryPost(1, gate.Task()));
    gate.WaitUntilEntered(1);
    ASSERT_TRUE(pool.TryPost(1, [&ran, held] { ran = true; }));
    opener = std::thread([&gate] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      gate.Open();
    });
  }
  opener.join();
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace batucada
