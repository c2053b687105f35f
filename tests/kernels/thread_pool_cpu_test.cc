#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace batucada {
namespace {

TEST(ThreadPoolTest, EveryItemRunsOnceInContiguousParts) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    for (int64_t items : {0, 1, 2, 7, 8, 9, 1000}) {
      for (int64_t grain : {1, 4, 5000}) {
        std::vector<int> runs(static_cast<size_t>(items)), parts(static_cast<size_t>(threads));
        pool.ParallelFor(items, grain, [&](int64_t begin, int64_t end, int thread) {
          ++parts[static_cast<size_t>(thread)];
          EXPECT_TRUE(end - begin >= grain || end - begin == items);
          for (int64_t i = begin; i < end; ++i) ++runs[static_cast<size_t>(i)];
        });
        EXPECT_EQ(runs, std::vector<int>(static_cast<size_t>(items), 1));
        for (int count : parts) EXPECT_LE(count, 1);
      }
    }
  }
}

// Loops see what earlier loops wrote, whoever wrote it.
TEST(ThreadPoolTest, LoopsAreOrdered) {
  ThreadPool pool(3);
  std::vector<int64_t> values(30);
  std::iota(values.begin(), values.end(), 0);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int64_t> next(values.size());
    pool.ParallelFor(30, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) next[static_cast<size_t>(i)] = values[static_cast<size_t>(29 - i)] + 1;
    });
    values = next;
  }
  for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(values[static_cast<size_t>(i)], i + 2000);
}

TEST(ThreadPoolTest, WakesAfterSleepingAndUsesNoTimeWhenIdle) {
  ThreadPool pool(4);
  const auto cpu_seconds = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  };
  for (int round = 0; round < 3; ++round) {
    int64_t sums[4] = {};
    pool.ParallelFor(400, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) sums[thread] += i;
    });
    EXPECT_EQ(sums[0] + sums[1] + sums[2] + sums[3], 399 * 400 / 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the workers fall asleep
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_LT(cpu_seconds() - before, 0.05);
  }
}

TEST(ThreadPoolTest, CountsAtLeastOneCore) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace batucada
