// batucada-sim [--seed N] [--steps N] [--lives N]: the scheduler under random lives, from seed N on. Prints what
// happened; ends with 1 at the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "tests/sim/simulation.h"

int main(int count, char** arguments) {
  uint64_t seed = 1, steps = 1'000'000, lives = 1;
  for (int i = 1; i < count; i += 2) {
    uint64_t* const value = std::strcmp(arguments[i], "--seed") == 0    ? &seed
                            : std::strcmp(arguments[i], "--steps") == 0 ? &steps
                            : std::strcmp(arguments[i], "--lives") == 0 ? &lives
                                                                        : nullptr;
    if (value == nullptr || i + 1 == count || !absl::SimpleAtoi(arguments[i + 1], value)) {
      std::fprintf(stderr, "usage: batucada-sim [--seed N] [--steps N] [--lives N]\n");
      return 2;
    }
  }
  batucada::sim::Outcome all;
  for (uint64_t life = 0; life < lives; ++life) {
    const batucada::sim::Outcome one = batucada::sim::Simulate(seed + life, steps);
    if (!one.violation.empty()) {
      std::printf("seed %" PRIu64 ", after %" PRIu64 " steps: %s\n", seed + life, one.steps, one.violation.c_str());
      return 1;
    }
    all.steps += one.steps;
    all.accepted += one.accepted;
    all.refused += one.refused;
    all.failures += one.failures;
    all.drains += one.drains;
    all.digest = all.digest * 31 + one.digest;
    for (size_t i = 0; i < 7; ++i) all.ended[i] += one.ended[i];
  }
  std::printf("%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " requests accepted, %" PRIu64 " refused, %" PRIu64
              " failures, %" PRIu64 " drains\n",
              all.steps, lives, all.accepted, all.refused, all.failures, all.drains);
  constexpr const char* kReasons[] = {"stop", "length", "cancelled", "deadline", "overrun", "shutdown", "error"};
  for (size_t i = 0; i < 7; ++i) std::printf("%s %" PRIu64 "%s", kReasons[i], all.ended[i], i == 6 ? "\n" : ", ");
  std::printf("every rule held; digest %016" PRIx64 "\n", all.digest);
}
