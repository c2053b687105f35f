// batucada-prefix-sim [--seed N] [--steps N] [--lives N]: the prefix cache under random lives, from seed N on, every
// token compared with the one of a computation from the start. Prints what happened; ends with 1 at the first that
// differs, or the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "tests/sim/prefix_simulation.h"

int main(int count, char** arguments) {
  uint64_t seed = 1, steps = 1000, lives = 1000;
  for (int i = 1; i < count; i += 2) {
    uint64_t* const value = std::strcmp(arguments[i], "--seed") == 0    ? &seed
                            : std::strcmp(arguments[i], "--steps") == 0 ? &steps
                            : std::strcmp(arguments[i], "--lives") == 0 ? &lives
                                                                        : nullptr;
    if (value == nullptr || i + 1 == count || !absl::SimpleAtoi(arguments[i + 1], value)) {
      std::fprintf(stderr, "usage: batucada-prefix-sim [--seed N] [--steps N] [--lives N]\n");
      return 2;
    }
  }
  batucada::sim::PrefixOutcome all;
  for (uint64_t life = 0; life < lives; ++life) {
    const batucada::sim::PrefixOutcome one = batucada::sim::SimulatePrefixes(seed + life, steps);
    if (!one.violation.empty()) {
      std::printf("seed %" PRIu64 ", after %" PRIu64 " steps: %s\n", seed + life, one.steps, one.violation.c_str());
      return 1;
    }
    all.steps += one.steps;
    all.answers += one.answers;
    all.failures += one.failures;
    all.hits += one.hits;
    all.host_hits += one.host_hits;
    all.disk_hits += one.disk_hits;
    all.waits += one.waits;
    all.evictions += one.evictions;
    all.host_evictions += one.host_evictions;
    all.restarts += one.restarts;
    all.moved += one.moved;
  }
  std::printf("%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " answers, all of them the cold ones; %" PRIu64
              " failures, %" PRIu64 " restarts\n",
              all.steps, lives, all.answers, all.failures, all.restarts);
  std::printf("hits %" PRIu64 " (host %" PRIu64 ", disk %" PRIu64 "), waits %" PRIu64 ", evictions %" PRIu64
              " (host %" PRIu64 "), moved on the disk %" PRIu64 "\n",
              all.hits, all.host_hits, all.disk_hits, all.waits, all.evictions, all.host_evictions, all.moved);
}
