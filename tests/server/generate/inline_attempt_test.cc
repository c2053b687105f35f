#include "server/generate/inline_attempt.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(InlineAttemptTest, OnlyAnAttemptsOwnThreadDefers) {
  EXPECT_FALSE(InlineAttempt::Defer());
  {
    const InlineAttempt untouched;
    EXPECT_FALSE(untouched.deferred());
    EXPECT_FALSE(InlineAttempt::Void());
  }
  InlineAttempt attempt;
  std::thread([] { EXPECT_FALSE(InlineAttempt::Defer()); }).join();
  EXPECT_FALSE(attempt.deferred());
  EXPECT_TRUE(InlineAttempt::Defer());
  EXPECT_TRUE(attempt.deferred());
  EXPECT_TRUE(InlineAttempt::Void());
}

TEST(InlineAttemptTest, TheNextAttemptBeginsAfresh) {
  {
    InlineAttempt first;
    EXPECT_TRUE(InlineAttempt::Defer());
  }
  EXPECT_FALSE(InlineAttempt::Void());
  EXPECT_FALSE(InlineAttempt::Defer()) << "there is no attempt";
  InlineAttempt second;
  EXPECT_FALSE(second.deferred());
}

TEST(InlineAttemptTest, WhatSeemsToHoldAGrammarCountsForMore) {
  EXPECT_EQ(WorkBytes(std::string(3000, 'a')), 3000);
  EXPECT_EQ(WorkBytes(std::string(3000, 'a') + "guided_regex"), kDeferredBytes);
  EXPECT_EQ(WorkBytes(std::string(100'000, 'a') + "guided_regex"), 100'012);
}

}  // namespace
}  // namespace batucada
