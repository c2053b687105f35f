// Runs out of descriptors on purpose, in a process of its own.
#include "server/net/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>

namespace batucada {
namespace {

bool OpenOne() { return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0; }

// Exits with 0 if everything held.
[[noreturn]] void RunOut() {
  const rlimit tight = {.rlim_cur = 100, .rlim_max = 200};
  if (setrlimit(RLIMIT_NOFILE, &tight) != 0) std::exit(10);
  if (DescriptorLimit() != 100) std::exit(11);
  RaiseDescriptorLimit();
  if (DescriptorLimit() != 150) std::exit(12);  // a quarter of 200 is kept
  while (OpenOne()) {
  }
  if (errno != EMFILE) std::exit(13);
  int kept = 0;
  for (int i = 0; i < 10; ++i) {
    const KeptDescriptors room;
    { const KeptDescriptors gone; }
    const KeptDescriptors nested;
    if (OpenOne()) ++kept;
  }
  if (kept != 10) std::exit(14);
  {
    const KeptDescriptors room;
    { const KeptDescriptors nested; }
    if (!OpenOne()) std::exit(17);  // whoever holds them still has them
  }
  if (OpenOne()) std::exit(15);
  if (DescriptorLimit() != 150) std::exit(16);
  std::exit(0);
}

TEST(DescriptorsTest, SomeAreKept) { EXPECT_EXIT(RunOut(), ::testing::ExitedWithCode(0), ""); }

}  // namespace
}  // namespace batucada
