// batucada-parking-sim [--seed N] [--steps N] [--lives N]: parking under random lives, from seed N on, every token
// compared with the one of an undisturbed computation. Prints what happened; ends with 1 at the first that differs, or
// the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "tests/sim/parking_simulation.h"

int main(int count, char** arguments) {
  uint64_t seed = 1, steps = 1000, lives = 1000;
  for (int i = 1; i < count; i += 2) {
    uint64_t* const value = std::strcmp(arguments[i], "--seed") == 0    ? &seed
                            : std::strcmp(arguments[i], "--steps") == 0 ? &steps
                            : std::strcmp(arguments[i], "--lives") == 0 ? &lives
                                                                        : nullptr;
    if (value == nullptr || i + 1 == count || !absl::SimpleAtoi(arguments[i + 1], value)) {
      std::fprintf(stderr, "usage: batucada-parking-sim [--seed N] [--steps N] [--lives N]\n");
      return 2;
    }
  }
  batucada::sim::ParkingOutcome all;
  for (uint64_t life = 0; life < lives; ++life) {
    const batucada::sim::ParkingOutcome one = batucada::sim::SimulateParking(seed + life, steps);
    if (!one.violation.empty()) {
      std::printf("seed %" PRIu64 ", after %" PRIu64 " steps: %s\n", seed + life, one.steps, one.violation.c_str());
      return 1;
    }
    all.steps += one.steps;
    all.answers += one.answers;
    all.failures += one.failures;
    all.drains += one.drains;
    all.parked += one.parked;
    all.returned += one.returned;
    all.ended_parked += one.ended_parked;
  }
  std::printf("%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " answers, all of them the undisturbed ones; %" PRIu64
              " failures, %" PRIu64 " drains\nparked %" PRIu64 " times, came back %" PRIu64 ", ended meanwhile %" PRIu64
              "\n",
              all.steps, lives, all.answers, all.failures, all.drains, all.parked, all.returned, all.ended_parked);
}
