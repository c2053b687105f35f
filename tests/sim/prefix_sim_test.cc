#include <gtest/gtest.h>

#include "tests/sim/prefix_simulation.h"

namespace batucada::sim {
namespace {

constexpr uint64_t kLives = 40;
constexpr uint64_t kSteps = 1000;

TEST(PrefixSimulation, EveryAnswerIsTheColdOne) {
  PrefixOutcome sum;
  for (uint64_t seed = 0; seed < kLives; ++seed) {
    const PrefixOutcome outcome = SimulatePrefixes(seed, kSteps);
    ASSERT_EQ(outcome.violation, "") << "seed " << seed;
    sum.hits += outcome.hits;
    sum.host_hits += outcome.host_hits;
    sum.waits += outcome.waits;
    sum.evictions += outcome.evictions;
    sum.host_evictions += outcome.host_evictions;
    sum.disk_hits += outcome.disk_hits;
    sum.restarts += outcome.restarts;
    sum.moved += outcome.moved;
    sum.discarded += outcome.discarded;
    sum.failures += outcome.failures;
    sum.kept += outcome.kept;
    sum.rejected += outcome.rejected;
    sum.answers += outcome.answers;
  }
  // All of it happened, and often.
  EXPECT_GT(sum.hits, 1000u);
  EXPECT_GT(sum.host_hits, 100u);
  EXPECT_GT(sum.waits, 100u);
  EXPECT_GT(sum.evictions, 1000u);
  EXPECT_GT(sum.host_evictions, 100u);
  EXPECT_GT(sum.disk_hits, 100u);
  EXPECT_GT(sum.restarts, 20u);
  EXPECT_GT(sum.moved, 100u);
  EXPECT_GT(sum.discarded, 1000u);
  EXPECT_GT(sum.failures, 10u);
  EXPECT_GT(sum.kept, 1000u);
  EXPECT_GT(sum.rejected, 1000u);
  EXPECT_GT(sum.answers, 1000u);
}

// A text that waited for a checkpoint wrote into blocks of the one that it had been admitted with; or found a longer
// one, beyond where it was to write its own, and was never planned.
TEST(PrefixSimulation, LivesThatOnceWentWrong) {
  for (const uint64_t seed : {120277, 160173, 210507, 1000158})
    EXPECT_EQ(SimulatePrefixes(seed, kSteps).violation, "") << seed;
}

TEST(PrefixSimulation, IsDeterministic) {
  const PrefixOutcome first = SimulatePrefixes(7, kSteps), second = SimulatePrefixes(7, kSteps);
  EXPECT_EQ(first.answers, second.answers);
  EXPECT_EQ(first.hits, second.hits);
  EXPECT_EQ(first.evictions, second.evictions);
}

class PlantedFault : public testing::TestWithParam<Fault> {};

TEST_P(PlantedFault, IsFound) {
  // Some do harm in few lives only.
  for (uint64_t seed = 0; seed < 3 * kLives; ++seed) {
    if (!SimulatePrefixes(seed, kSteps, GetParam()).violation.empty()) return;
  }
  FAIL() << "nobody noticed";
}

INSTANTIATE_TEST_SUITE_P(Prefix, PlantedFault,
                         testing::Values(Fault::kSavedEarly, Fault::kWrongSlot, Fault::kAliasedSlot, Fault::kLostBlock,
                                         Fault::kLostMove, Fault::kRestoreFirst, Fault::kNoScope, Fault::kRowTooMany,
                                         Fault::kRowTooFew, Fault::kStateAhead, Fault::kDiskReadsLate,
                                         Fault::kDiskWritesLate, Fault::kDiskOtherRecord, Fault::kDiskMovesOther,
                                         Fault::kUntold, Fault::kNotGone));

}  // namespace
}  // namespace batucada::sim
