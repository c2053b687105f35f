#include "base/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace batucada {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(ProgressTest, BarAmountRateAndTimeLeft) {
  EXPECT_EQ(ProgressBar("o/n", kGiB, 4 * kGiB, 256.0 * (1 << 20), 100),
            "o/n  25% [#######                       ] 1.00 GiB of 4.00 GiB, 256 MiB/s, 0:12 left");
  EXPECT_EQ(ProgressBar("o/n", 4 * kGiB, 4 * kGiB, 0, 80),
            "o/n 100% [##############################] 4.00 GiB of 4.00 GiB");
}

TEST(ProgressTest, LongTimesHaveHours) {
  EXPECT_NE(ProgressBar("n", 0, 100 * kGiB, 1 << 20, 200).find("28:26:40 left"), std::string::npos);
}

// The bar gives way, and no line is so wide that a terminal breaks it.
TEST(ProgressTest, FitsItsTerminal) {
  for (int columns = 1; columns < 120; ++columns) {
    EXPECT_LT(ProgressBar("tiiuae/falcon-mamba-7b-instruct", kGiB, 4 * kGiB, 1 << 20, columns).size(),
              static_cast<size_t>(std::max(columns, 1)));
  }
}

// What is written on a terminal while `progress` is shown, and at the end of it.
std::string OnTerminal(const ByteProgress& progress) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  EXPECT_EQ(grantpt(terminal) + unlockpt(terminal), 0);
  std::FILE* const out = std::fopen(ptsname(terminal), "w");
  EXPECT_NE(out, nullptr);
  std::string written;
  {
    const ProgressDisplay display("loading", progress, out);
    pollfd waiting = {.fd = terminal, .events = POLLIN, .revents = 0};
    char buffer[4096];
    if (poll(&waiting, 1, progress.total > 0 ? 60'000 : 500) > 0) {
      const ssize_t count = read(terminal, buffer, sizeof(buffer));
      written.append(buffer, count > 0 ? static_cast<size_t>(count) : 0);
    }
  }
  if (progress.total > 0) {  // what stands there once it is over; the display is gone, so it is there
    char buffer[4096];
    const ssize_t count = read(terminal, buffer, sizeof(buffer));
    written.append(buffer, count > 0 ? static_cast<size_t>(count) : 0);
  }
  std::fclose(out);
  close(terminal);
  return written;
}

TEST(ProgressTest, ATerminalGetsABarOnceATotalIsKnown) {
  ByteProgress progress;
  EXPECT_EQ(OnTerminal(progress), "");
  progress.total = 4 * kGiB;
  progress.there = kGiB;
  const std::string written = OnTerminal(progress);
  EXPECT_EQ(written.substr(0, 22), "\rloading  25% [#######");
  EXPECT_TRUE(written.ends_with("\r\n")) << "what is said next has a line of its own";
}

TEST(ProgressTest, NothingKnownYet) { EXPECT_EQ(ProgressBar("n", 0, 0, 0, 0), ""); }

}  // namespace
}  // namespace batucada
