// batucada-prefix-sim [--seed N] [--steps N] [--lives N]: the prefix cache under random lives, from seed N on, every
// token compared with the one of a computation from the start. Prints what happened; ends with 1 at the first that
// differs, or the first rule that was broken, after saying which and in which life.
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "tests/sim/lives.h"
#include "tests/sim/prefix_simulation.h"

int main(int count, char** arguments) {
  using namespace batucada::sim;
  const std::optional<Lives> wanted = ReadLives(count, arguments, "batucada-prefix-sim");
  if (!wanted) return 2;
  PrefixOutcome all;
  const auto simulate = [](uint64_t seed, uint64_t steps) { return SimulatePrefixes(seed, steps); };
  const auto add = [&all](const PrefixOutcome& one) {
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
  };
  if (!RunLives(*wanted, simulate, add)) return 1;
  std::printf("%" PRIu64 " steps in %" PRIu64 " lives: %" PRIu64 " answers, all of them the cold ones; %" PRIu64
              " failures, %" PRIu64 " restarts\n",
              all.steps, wanted->lives, all.answers, all.failures, all.restarts);
  std::printf("hits %" PRIu64 " (host %" PRIu64 ", disk %" PRIu64 "), waits %" PRIu64 ", evictions %" PRIu64
              " (host %" PRIu64 "), moved on the disk %" PRIu64 "\n",
              all.hits, all.host_hits, all.disk_hits, all.waits, all.evictions, all.host_evictions, all.moved);
}
