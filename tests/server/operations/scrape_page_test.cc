#include "server/operations/scrape_page.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(ScrapePageTest, MakesAPageForEverybodyUntilThereAreTooMany) {
  ScrapePage page;
  int made = 0;
  const auto make = [&] { return std::to_string(++made); };
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  for (int i = 1; i <= static_cast<int>(ScrapePage::kBurst); ++i) EXPECT_EQ(*page.Get(make, now), std::to_string(i));
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(*page.Get(make, now), std::to_string(made));
  EXPECT_EQ(made, static_cast<int>(ScrapePage::kBurst));

  now += absl::Milliseconds(100);
  for (int i = 0; i < 10'000; ++i) (void)page.Get(make, now);
  EXPECT_EQ(made, static_cast<int>(ScrapePage::kBurst + ScrapePage::kPerSecond / 10));
  EXPECT_EQ(*page.Get(make, now - absl::Hours(1)), std::to_string(made)) << "a clock that goes back buys nothing";

  now += absl::Hours(1);
  const int before = made;
  for (int i = 0; i < 10'000; ++i) (void)page.Get(make, now);
  EXPECT_EQ(made - before, static_cast<int>(ScrapePage::kBurst)) << "silence buys no more than a burst";
}

TEST(ScrapePageTest, WhoComesWhileOneIsMadeGetsTheLast) {
  ScrapePage page;
  EXPECT_EQ(*page.Get([] { return std::string("first"); }), "first");
  std::string meanwhile;
  const auto second = page.Get([&] {
    // Another thread, since a page is asked for by any of them.
    std::thread([&] { meanwhile = *page.Get([] { return std::string("third"); }); }).join();
    return std::string("second");
  });
  EXPECT_EQ(meanwhile, "first");
  EXPECT_EQ(*second, "second");
  EXPECT_EQ(*page.Get([] { return std::string("fourth"); }), "fourth");
}

}  // namespace
}  // namespace batucada
