#include "engine/pages/page_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace batucada {
namespace {

TEST(PageAllocator, DealsEachPageOnce) {
  PageAllocator pages("pages", 5);
  const auto all = pages.Allocate(5);
  ASSERT_TRUE(all.has_value());
  EXPECT_THAT(*all, testing::UnorderedElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(pages.available(), 0);
  pages.Release(*all);
  EXPECT_EQ(pages.used(), 0);
}

TEST(PageAllocator, AllocatesAllOrNothing) {
  PageAllocator pages("pages", 3);
  const auto two = pages.Allocate(2);
  EXPECT_FALSE(pages.Allocate(2).has_value());
  EXPECT_EQ(pages.available(), 1);
  pages.Release(*two);
}

TEST(PageAllocator, AllocatesOneAsItWouldAListOfOne) {
  PageAllocator one("pages", 2), lists("pages", 2);
  for (int page = 0; page < 2; ++page) {
    EXPECT_EQ(one.AllocateOne(), lists.Allocate(1)->front());
    EXPECT_EQ(one.references(page), 1);
  }
  EXPECT_EQ(one.AllocateOne(), std::nullopt);
  one.Release(std::vector<PageId>{0, 1});
  lists.Release(std::vector<PageId>{0, 1});
}

TEST(PageAllocator, SharedPageReturnsWithItsLastReference) {
  PageAllocator pages("pages", 1);
  const PageId page = pages.Allocate(1)->front();
  pages.Share(page);
  EXPECT_EQ(pages.references(page), 2);
  pages.Release(page);
  EXPECT_FALSE(pages.Allocate(1).has_value());
  pages.Release(page);
  EXPECT_EQ(pages.available(), 1);
}

TEST(PageAllocator, RandomCallsKeepTheBooks) {
  std::mt19937 random(7);
  PageAllocator pages("pages", 64);
  std::vector<PageId> held;
  for (int i = 0; i < 20000; ++i) {
    const int32_t count = static_cast<int32_t>(random() % 9);
    if (random() % 2 == 0) {
      const auto got = pages.Allocate(count);
      ASSERT_EQ(got.has_value(), count <= 64 - static_cast<int32_t>(std::set(held.begin(), held.end()).size()));
      if (got) held.insert(held.end(), got->begin(), got->end());
    } else if (!held.empty()) {
      const size_t pick = random() % held.size();
      if (random() % 4 == 0) {
        pages.Share(held[pick]);
        held.push_back(held[pick]);
      } else {
        pages.Release(held[pick]);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(pick));
      }
    }
    ASSERT_EQ(pages.used(), static_cast<int32_t>(std::set(held.begin(), held.end()).size()));
  }
  pages.Release(held);
}

TEST(PageAllocatorDeathTest, LeaksAndDoubleFreesStopTheProcess) {
  EXPECT_DEATH(
      {
        PageAllocator pages("slots", 2);
        (void)pages.Allocate(1);
      },
      "slots: 1 pages leaked");
  PageAllocator pages("slots", 2);
  EXPECT_DEATH(pages.Release(PageId{1}), "page 1 is free");
  EXPECT_DEATH(pages.Release(PageId{2}), "no page 2");
}

}  // namespace
}  // namespace batucada
