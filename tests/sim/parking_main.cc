// batucada-parking-sim [--seed N] [--steps N] [--lives N]: parking under random lives, from seed N on, every token
// compared with the one of an undisturbed computation. Prints what happened; ends with 1 at the first that differs, or
// the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "tests/sim/lives.h"
#include "tests/sim/parking_simulation.h"

int main(int count, char** arguments) {
  using namespace batucada::sim;
  const std::optional<Lives> wanted = ReadLives(count, arguments, "batucada-parking-sim");
  if (!wanted) return 2;
  ParkingOutcome all;
  const auto simulate = [](uint64_t seed, uint64_t steps) { return SimulateParking(seed, steps); };
  const auto add = [&all](const ParkingOutcome& one) {
    all.steps += one.steps;
    all.answers += one.answers;
    all.failures += one.failures;
    all.drains += one.drains;
    all.parked += one.parked;
    all.returned += one.returned;
    all.ended_parked += one.ended_parked;
  };
  if (!RunLives(*wanted, simulate, add)) return 1;
  std::printf(
      "%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " answers, all of them the undisturbed ones; %" PRIu64
      " failures, %" PRIu64 " drains\nparked %" PRIu64 " times, came back %" PRIu64 ", ended meanwhile %" PRIu64 "\n",
      all.steps, wanted->lives, all.answers, all.failures, all.drains, all.parked, all.returned, all.ended_parked);
}
