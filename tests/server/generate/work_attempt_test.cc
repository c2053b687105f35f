#include "server/generate/work_attempt.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(WorkAttemptTest, OnlyAnAttemptsOwnThreadDefers) {
  EXPECT_FALSE(WorkAttempt::Defer());
  {
    const WorkAttempt untouched(2048);
    EXPECT_FALSE(untouched.deferred());
    EXPECT_FALSE(WorkAttempt::Void());
  }
  const WorkAttempt attempt(2048);
  std::thread([] { EXPECT_FALSE(WorkAttempt::Defer()); }).join();
  EXPECT_FALSE(attempt.deferred());
  EXPECT_TRUE(WorkAttempt::Defer());
  EXPECT_TRUE(attempt.deferred());
  EXPECT_TRUE(WorkAttempt::Void());
}

TEST(WorkAttemptTest, TheNextAttemptBeginsAfresh) {
  {
    const WorkAttempt first(2048);
    EXPECT_TRUE(WorkAttempt::Defer());
  }
  EXPECT_FALSE(WorkAttempt::Void());
  EXPECT_FALSE(WorkAttempt::Defer()) << "there is no attempt";
  const WorkAttempt second(2048);
  EXPECT_FALSE(second.deferred());
}

TEST(WorkAttemptTest, WhatFitsIsNotDeferred) {
  const WorkAttempt attempt(2048);
  EXPECT_FALSE(WorkAttempt::Defer(2048));
  EXPECT_FALSE(attempt.deferred());
  EXPECT_TRUE(WorkAttempt::Defer(9000));
  EXPECT_TRUE(WorkAttempt::Defer(5000));
  EXPECT_EQ(attempt.deferred_bytes(), 9000);
}

// Work that turns out larger twice is begun three times, and its outcome counts once.
TEST(WorkAttemptTest, WorkIsBegunAnewAsWhatItIs) {
  std::atomic<int> begun = 0, ended = 0, refused = 0;
  {
    WorkPool pool(3, 1 << 30);
    std::atomic<bool> done = false;
    const absl::Status posted = PostAttempt(
        pool, Client{}, 100,
        [&] {
          ++begun;
          if (WorkAttempt::Defer(WorkPool::kSmallBytes + 1) || WorkAttempt::Defer(WorkPool::kMiddlingBytes + 1)) return;
          EXPECT_FALSE(WorkAttempt::Void());
          ++ended;
          done = true;
        },
        [&](const absl::Status&) {
          ++refused;
          done = true;
        });
    ASSERT_TRUE(posted.ok()) << posted;
    while (!done) std::this_thread::yield();
  }
  EXPECT_EQ(begun, 3);
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(refused, 0);
}

TEST(WorkAttemptTest, WhatSeemsToHoldAGrammarCountsForMore) {
  EXPECT_EQ(WorkBytes(std::string(3000, 'a')), 3000);
  EXPECT_EQ(WorkBytes(std::string(3000, 'a') + "guided_regex"), kDeferredBytes);
  EXPECT_EQ(WorkBytes(std::string(100'000, 'a') + "guided_regex"), 100'012);
}

}  // namespace
}  // namespace batucada
