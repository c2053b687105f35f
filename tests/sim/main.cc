// batucada-sim [--seed N] [--steps N] [--lives N]: the scheduler under random lives, from seed N on. Prints what
// happened; ends with 1 at the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "tests/sim/lives.h"
#include "tests/sim/simulation.h"

int main(int count, char** arguments) {
  using namespace batucada::sim;
  const std::optional<Lives> wanted = ReadLives(count, arguments, "batucada-sim", {.steps = 1'000'000, .lives = 1});
  if (!wanted) return 2;
  Outcome all;
  const auto simulate = [](uint64_t seed, uint64_t steps) { return Simulate(seed, steps); };
  const auto add = [&all](const Outcome& one) {
    all.steps += one.steps;
    all.accepted += one.accepted;
    all.refused += one.refused;
    all.failures += one.failures;
    all.drains += one.drains;
    all.digest = all.digest * 31 + one.digest;
    for (size_t i = 0; i < 7; ++i) all.ended[i] += one.ended[i];
  };
  if (!RunLives(*wanted, simulate, add)) return 1;
  std::printf("%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " requests accepted, %" PRIu64 " refused, %" PRIu64
              " failures, %" PRIu64 " drains\n",
              all.steps, wanted->lives, all.accepted, all.refused, all.failures, all.drains);
  constexpr const char* kReasons[] = {"stop", "length", "cancelled", "deadline", "overrun", "shutdown", "error"};
  for (size_t i = 0; i < 7; ++i) std::printf("%s %" PRIu64 "%s", kReasons[i], all.ended[i], i == 6 ? "\n" : ", ");
  std::printf("every rule held; digest %016" PRIx64 "\n", all.digest);
}
