#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace batucada {
namespace {

TEST(ThreadPoolTest, EveryItemRunsOnceInContiguousPieces) {
  for (int threads : {1, 2, 3, 8, 20}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    for (int64_t items : {0, 1, 2, 7, 8, 9, 1000}) {
      for (const Grain grain : {Grain(), Grain{.share = 4, .piece = 4}, Grain{.share = 2, .piece = 30},
                                Grain::Of(100, 1), Grain::Of(5000, 1)}) {
        std::vector<int> runs(static_cast<size_t>(items)), pieces(static_cast<size_t>(threads));
        pool.ParallelFor(items, grain, [&](int64_t begin, int64_t end, int thread) {
          ++pieces[static_cast<size_t>(thread)];
          EXPECT_TRUE(end - begin >= std::min(grain.share, grain.piece) || end - begin == items);
          for (int64_t i = begin; i < end; ++i) ++runs[static_cast<size_t>(i)];
        });
        EXPECT_EQ(runs, std::vector<int>(static_cast<size_t>(items), 1));
        const int64_t shares = std::clamp<int64_t>(items / grain.share, std::min<int64_t>(items, 1), threads);
        const int count = std::accumulate(pieces.begin(), pieces.end(), 0);
        EXPECT_GE(count, shares);
        EXPECT_LE(count, shares < 2 ? shares : 4 * shares);
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
    pool.ParallelFor(30, Grain(), [&](int64_t begin, int64_t end, int) {
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
    pool.ParallelFor(400, Grain(), [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) sums[thread] += i;
    });
    EXPECT_EQ(sums[0] + sums[1] + sums[2] + sums[3], 399 * 400 / 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the workers fall asleep
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_LT(cpu_seconds() - before, 0.05);
  }
}

// A thread that does not get on holds up the piece that it has begun, and no other: the rest is done without it.
TEST(ThreadPoolTest, OthersTakeWhatIsLeft) {
  constexpr int kThreads = 3, kItems = 96, kPieces = 12;
  ThreadPool pool(kThreads);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> done = 0, held = -1;
    std::vector<int> by(kItems, -1);
    pool.ParallelFor(kItems, Grain(), [&](int64_t begin, int64_t end, int thread) {
      int none = -1;
      // The first waits until all others have run, whoever it is.
      if (held.compare_exchange_strong(none, thread)) {
        while (done.load() < kItems - static_cast<int>(end - begin)) std::this_thread::yield();
      }
      for (int64_t i = begin; i < end; ++i) by[static_cast<size_t>(i)] = thread;
      done += static_cast<int>(end - begin);
    });
    EXPECT_EQ(done.load(), kItems);
    EXPECT_EQ(std::count(by.begin(), by.end(), held.load()), kItems / kPieces);
  }
}

TEST(ThreadPoolTest, CountsAtLeastOneCore) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace batucada
