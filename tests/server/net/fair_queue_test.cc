#include "server/net/fair_queue.h"

#include <string>

#include <gtest/gtest.h>

namespace batucada {
namespace {

Client ClientOf(uint64_t key, uint64_t connection) { return {.key = key, .connection = connection}; }

// Connections in the order in which their tasks come.
std::string Drain(FairQueue& queue) {
  std::string order;
  while (!queue.empty()) order += static_cast<char>(queue.Pop().owner.connection);
  return order;
}

TEST(FairQueueTest, OneOwnersTasksGoInTheirOrder) {
  FairQueue queue;
  std::string order;
  for (const char name : {'1', '2', '3'})
    queue.Push(ClientOf(1, 'a'), 1000 - name, {.run = [&order, name] { order += name; }, .refused = {}});
  while (!queue.empty()) queue.Pop().task.run();
  EXPECT_EQ(order, "123");
}

TEST(FairQueueTest, EqualTasksOfConnectionsGoRound) {
  FairQueue queue;
  for (int i = 0; i < 3; ++i) queue.Push(ClientOf(1, 'a'), 100, {});
  for (int i = 0; i < 3; ++i) queue.Push(ClientOf(1, 'b'), 100, {});
  EXPECT_EQ(Drain(queue), "ababab");
}

TEST(FairQueueTest, SmallTasksPassLargeOnesOfOthers) {
  FairQueue queue;
  for (const char name : {'a', 'b', 'c'}) queue.Push(ClientOf(1, name), 8'000'000, {});
  queue.Push(ClientOf(1, 'x'), 10'000, {});
  EXPECT_EQ(queue.Pop().owner.connection, 'x');
  queue.Push(ClientOf(1, 'y'), 10'000, {});
  EXPECT_EQ(Drain(queue), "yabc");
}

TEST(FairQueueTest, AClientWithManyConnectionsHasNoMoreThanOneWithOne) {
  FairQueue queue;
  for (int i = 0; i < 6; ++i) queue.Push(ClientOf(1, 'a' + i), 100, {});
  for (int i = 0; i < 3; ++i) queue.Push(ClientOf(2, 'x'), 100, {});
  EXPECT_EQ(Drain(queue), "axbxcxdef");
}

// Somebody who always has another small task does not keep a large one waiting: it goes when the others have had as
// many bytes.
TEST(FairQueueTest, ALargeTaskIsNotStarved) {
  for (const bool same_client : {true, false}) {
    FairQueue queue;
    queue.Push(ClientOf(1, 'L'), 1'000'000, {});
    int64_t passed = 0;
    for (uint64_t n = 0;; ++n) {
      // With a new connection every time: there is no past to be judged by.
      queue.Push(ClientOf(same_client ? 1 : 2, 1000 + n), 10'000, {});
      if (queue.Pop().owner.connection == 'L') break;
      passed += 10'000;
      ASSERT_LE(passed, 1'000'000);
    }
    EXPECT_GE(passed, 900'000);
  }
}

}  // namespace
}  // namespace batucada
