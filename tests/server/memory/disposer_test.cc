// What is large goes on another thread, and its charge with it.
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "server/memory/disposer.h"

namespace batucada {
namespace {

constexpr int64_t kBytes = 1 << 20;

MemoryCharge ChargeTo(MemoryAccount& account) {
  absl::StatusOr<MemoryCharge> charge = account.Charge(MemoryPart::kBody, kBytes);
  EXPECT_TRUE(charge.ok()) << charge.status();
  return *std::move(charge);
}

TEST(DisposerTest, GivesBackWhatWasChargedForLargeBytes) {
  MemoryAccount account(16 * kBytes);
  Disposer disposer;
  for (int i = 0; i < 100; ++i) {
    while (account.used() > 8 * kBytes) std::this_thread::yield();
    disposer.Dispose(std::make_shared<std::string>(kBytes, 'a'), kBytes, ChargeTo(account));
  }
  while (account.used() > 0) std::this_thread::yield();
  EXPECT_EQ(account.used(MemoryPart::kBody), 0);
}

TEST(DisposerTest, LetsSmallBytesGoAtOnce) {
  MemoryAccount account(16 * kBytes);
  Disposer disposer;
  disposer.Dispose(std::make_shared<std::string>("a"), 1, ChargeTo(account));
  EXPECT_EQ(account.used(), 0);
}

TEST(DisposerTest, LeavesNothingBehindWhenItEnds) {
  MemoryAccount account(16 * kBytes);
  {
    Disposer disposer;
    for (int i = 0; i < 8; ++i) disposer.Dispose(std::make_shared<std::string>(kBytes, 'a'), kBytes, ChargeTo(account));
  }
  EXPECT_EQ(account.used(), 0);
}

}  // namespace
}  // namespace batucada
