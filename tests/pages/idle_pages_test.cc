#include "engine/pages/idle_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "engine/pages/block_pool.h"

namespace batucada {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

// All that is told at `now`, each page once, by pool.
using Told = std::map<std::pair<int32_t, Tier>, std::set<PageId>>;
Told TakeAll(IdlePages& idle, absl::Time now) {
  Told told;
  while (const std::optional<PoolPages> some = idle.Take(now)) {
    for (PageId i = 0; i < some->pages.count; ++i) {
      const bool is_new = told[{some->group, some->tier}].insert(some->pages.first + i).second;
      EXPECT_TRUE(is_new) << some->pages.first + i << " is told of twice";
    }
  }
  return told;
}

class IdlePagesTest : public testing::Test {
 protected:
  IdlePagesTest() { idle_.Watch(0, Tier::kRunning, &pages_); }
  std::set<PageId> Take(double seconds) { return TakeAll(idle_, At(seconds))[{0, Tier::kRunning}]; }

  PageAllocator pages_{"pages", 40};  // of which the first two are kept
  IdlePages idle_;
};

TEST_F(IdlePagesTest, NothingWasUsedAndNothingIsTold) {
  EXPECT_THAT(Take(0), testing::IsEmpty());
  EXPECT_EQ(idle_.next(), absl::InfiniteFuture());
  const auto held = *pages_.Allocate(40);
  EXPECT_THAT(Take(5), testing::IsEmpty());
  EXPECT_EQ(idle_.next(), absl::InfiniteFuture()) << "they are in use";
  pages_.Release(held);
}

TEST_F(IdlePagesTest, WhatIsFreeForASecondIsToldOfOnce) {
  EXPECT_THAT(Take(0), testing::IsEmpty());
  pages_.Release(*pages_.Allocate(5));
  EXPECT_EQ(idle_.next(), At(1));
  EXPECT_THAT(Take(0.9), testing::IsEmpty());
  EXPECT_THAT(Take(1), testing::IsEmpty()) << "free for a tenth of a second, for all one knows";
  EXPECT_EQ(idle_.next(), At(2));
  EXPECT_THAT(Take(2), testing::ElementsAre(2, 3, 4));
  EXPECT_EQ(idle_.next(), absl::InfiniteFuture());
  EXPECT_THAT(Take(10), testing::IsEmpty());
}

TEST_F(IdlePagesTest, WhatIsDealtAgainIsNot) {
  const auto first = *pages_.Allocate(6);
  pages_.Release(first);
  EXPECT_THAT(Take(0), testing::IsEmpty());
  for (int second = 1; second < 5; ++second) {
    // Whoever comes has those that were freed last.
    const auto held = *pages_.Allocate(2);
    EXPECT_THAT(held, testing::ElementsAre(5, 4));
    const std::set<PageId> told = Take(second);
    EXPECT_THAT(told, second == 1 ? testing::Matcher<std::set<PageId>>(testing::ElementsAre(2, 3))
                                  : testing::Matcher<std::set<PageId>>(testing::IsEmpty()));
    pages_.Release(std::vector<PageId>(held.rbegin(), held.rend()));
  }
  EXPECT_THAT(Take(6), testing::IsEmpty());
  EXPECT_THAT(Take(7), testing::ElementsAre(4, 5));
}

TEST_F(IdlePagesTest, FewAreToldOfTogetherAndTheLowestAreDealtFirstAfterwards) {
  auto held = *pages_.Allocate(40);
  std::shuffle(held.begin(), held.end(), std::mt19937(1));
  pages_.Release(held);
  EXPECT_FALSE(idle_.Take(At(0)).has_value());
  std::set<PageId> told;
  while (const auto some = idle_.Take(At(1))) {
    EXPECT_LE(some->pages.count, 8);
    EXPECT_EQ(some->around, (PageRange{.first = 2, .count = 38}));
    for (PageId i = 0; i < some->pages.count; ++i) told.insert(some->pages.first + i);
    EXPECT_EQ(idle_.next() == absl::InfinitePast(), told.size() < 38);
  }
  EXPECT_EQ(told.size(), 38u);
  EXPECT_THAT(*pages_.Allocate(3), testing::ElementsAre(0, 1, 2));
  pages_.Release(std::vector<PageId>{0, 1, 2});
}

// Also where they were not free, or not told of, all at once.
TEST_F(IdlePagesTest, TheLowestAreDealtFirstWhenAllHaveBeenToldOf) {
  const auto first = *pages_.Allocate(10), second = *pages_.Allocate(10);
  Take(0);
  pages_.Release(second);
  Take(1);
  Take(2);
  pages_.Release(first);
  Take(3);
  EXPECT_THAT(Take(4), testing::ElementsAre(2, 3, 4, 5, 6, 7, 8, 9));
  const auto held = *pages_.Allocate(12);
  EXPECT_THAT(held, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  pages_.Release(held);
}

TEST(IdlePages, ManyAreToldOfBitByBit) {
  constexpr int32_t kMany = 20'000;
  PageAllocator pages("pages", kMany);
  IdlePages idle;
  idle.Watch(kSlots, Tier::kParked, &pages);
  pages.Release(*pages.Allocate(kMany));
  std::set<PageId> told;
  int second = 0;
  for (; idle.next() != absl::InfiniteFuture(); ++second)
    told.merge(TakeAll(idle, At(second))[{kSlots, Tier::kParked}]);
  EXPECT_EQ(told.size(), static_cast<size_t>(kMany));
  EXPECT_EQ(second, 6);
}

// Against the books of who had which page until when.
TEST(IdlePages, OfSeveralPoolsWhatNobodyHasHadForLong) {
  std::mt19937 random(3);
  uint64_t told = 0;
  for (int life = 0; life < 50; ++life) {
    PageAllocator slots("slots", 20);
    BlockPool blocks("blocks", 60);
    IdlePages idle;
    idle.Watch(kSlots, Tier::kRunning, &slots);
    idle.Watch(1, Tier::kRunning, blocks.pages());
    struct Page {
      bool held = false, used = false;
      absl::Time freed = absl::InfinitePast();
    };
    std::map<int32_t, std::vector<Page>> books = {{kSlots, std::vector<Page>(20)}, {1, std::vector<Page>(60)}};
    std::vector<std::pair<int32_t, std::vector<PageId>>> held;
    absl::Time now = kStart;
    const auto note = [&](int32_t group, const std::vector<PageId>& pages, bool has) {
      for (const PageId page : pages)
        books[group][static_cast<size_t>(page)] = {.held = has, .used = true, .freed = now};
    };
    const auto release = [&](size_t which) {
      const auto [group, pages] = held[which];
      group == kSlots ? slots.Release(pages) : blocks.Release(pages);
      note(group, pages, false);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    };
    const auto take = [&] {
      while (const auto some = idle.Take(now)) {
        std::vector<Page>& pages = books[some->group];
        const auto in = [](PageRange range, PageId page) {
          return page >= range.first && page < range.first + range.count;
        };
        for (PageId id = 0; id < static_cast<PageId>(pages.size()); ++id) {
          Page& page = pages[static_cast<size_t>(id)];
          const bool kept = id < static_cast<PageId>(pages.size()) / 16;
          const bool borders = id == some->around.first - 1 || id == some->around.first + some->around.count;
          if (in(some->around, id) || (borders && !kept)) {
            EXPECT_EQ(page.held, borders) << id;
          }
          if (!in(some->pages, id)) continue;
          EXPECT_TRUE(in(some->around, id) && !kept);
          EXPECT_TRUE(page.used) << id << " was told of, or never dealt";
          EXPECT_GE(now - page.freed, absl::Seconds(1));
          page.used = false;
          ++told;
        }
      }
    };
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) {
      now += absl::Milliseconds(random() % 300);
      const int32_t group = random() % 3 == 0 ? kSlots : 1;
      const auto count = static_cast<int32_t>(random() % (group == kSlots ? 3 : 20));
      const uint32_t what = random() % 8;
      if (what < 3) {
        if (auto pages = group == kSlots ? slots.Allocate(count) : blocks.Allocate(count)) {
          note(group, *pages, true);
          held.emplace_back(group, *std::move(pages));
        }
      } else if (what < 6 && !held.empty()) {
        release(random() % held.size());
      } else {
        take();
      }
    }
    while (!held.empty()) release(0);
    take();
    for (int seconds = 0; seconds < 2; ++seconds) {
      now += absl::Seconds(1);
      take();
    }
    EXPECT_EQ(idle.next(), absl::InfiniteFuture());
    for (const auto& [group, pages] : books) {
      for (size_t id = pages.size() / 16; id < pages.size(); ++id)
        EXPECT_FALSE(pages[id].used) << id << " is not told of";
    }
  }
  EXPECT_GT(told, 5000u);
}

}  // namespace
}  // namespace batucada
