#include <gtest/gtest.h>

#include "tests/sim/parking_simulation.h"

namespace batucada::sim {
namespace {

constexpr uint64_t kLives = 200;
constexpr uint64_t kSteps = 1000;

TEST(ParkingSimulation, EveryAnswerIsTheUndisturbedOne) {
  ParkingOutcome sum;
  for (uint64_t seed = 0; seed < kLives; ++seed) {
    const ParkingOutcome outcome = SimulateParking(seed, kSteps);
    ASSERT_EQ(outcome.violation, "") << "seed " << seed << ", after " << outcome.steps << " steps";
    sum.answers += outcome.answers;
    sum.failures += outcome.failures;
    sum.drains += outcome.drains;
    sum.parked += outcome.parked;
    sum.returned += outcome.returned;
    sum.ended_parked += outcome.ended_parked;
    sum.discarded += outcome.discarded;
  }
  // All of it happened, and often.
  EXPECT_GT(sum.answers, 1000u);
  EXPECT_GT(sum.failures, 10u);
  EXPECT_GT(sum.drains, 10u);
  EXPECT_GT(sum.parked, 1000u);
  EXPECT_GT(sum.returned, 1000u);
  EXPECT_GT(sum.ended_parked, 100u);
  EXPECT_GT(sum.discarded, 10'000u);
}

TEST(ParkingSimulation, IsDeterministic) {
  EXPECT_EQ(SimulateParking(7, kSteps).digest, SimulateParking(7, kSteps).digest);
  EXPECT_NE(SimulateParking(7, kSteps).digest, SimulateParking(8, kSteps).digest);
}

class PlantedParkingFault : public testing::TestWithParam<ParkingFault> {};

TEST_P(PlantedParkingFault, IsFound) {
  for (uint64_t seed = 0; seed < kLives; ++seed) {
    if (!SimulateParking(seed, kSteps, GetParam()).violation.empty()) return;
  }
  FAIL() << "nobody noticed";
}

INSTANTIATE_TEST_SUITE_P(Parking, PlantedParkingFault,
                         testing::Values(ParkingFault::kCopiedLate, ParkingFault::kWrongSlot, ParkingFault::kLostBlocks,
                                         ParkingFault::kLostControls, ParkingFault::kSamePlace,
                                         ParkingFault::kOtherReturned, ParkingFault::kReturnedInPart,
                                         ParkingFault::kReturnedLate, ParkingFault::kDiscardedMore));

}  // namespace
}  // namespace batucada::sim
