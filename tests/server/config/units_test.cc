#include "server/config/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::HasSubstr;

TEST(UnitsTest, ReadsSizes) {
  EXPECT_EQ(ParseBytes("0").value(), 0);
  EXPECT_EQ(ParseBytes("1000").value(), 1000);
  EXPECT_EQ(ParseBytes("4GiB").value(), int64_t{4} << 30);
  EXPECT_EQ(ParseBytes("4g").value(), int64_t{4} << 30);
  EXPECT_EQ(ParseBytes("1.5 MiB").value(), 3 << 19);
  EXPECT_EQ(ParseBytes("64k").value(), 64 << 10);
  EXPECT_EQ(ParseBytes("2MB").value(), 2'000'000);
  EXPECT_EQ(ParseBytes("1TiB").value(), int64_t{1} << 40);
}

TEST(UnitsTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "-1", "4 gigs", "1.2.3k", "1e9999", "99999999999TiB", "0x10", "4GiB!"}) {
    EXPECT_EQ(ParseBytes(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(std::string(ParseBytes("4 gigs").status().message()), HasSubstr("4 gigs"));
}

TEST(UnitsTest, SizesSurviveARoundTrip) {
  for (const int64_t bytes :
       {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{1024}, int64_t{8} << 20, int64_t{3} << 29}) {
    EXPECT_EQ(ParseBytes(FormatBytes(bytes)).value(), bytes) << FormatBytes(bytes);
  }
  EXPECT_EQ(FormatBytes(8 << 20), "8MiB");
}

TEST(UnitsTest, ReadsDurations) {
  EXPECT_EQ(ParseDuration("30s").value(), absl::Seconds(30));
  EXPECT_EQ(ParseDuration("500ms").value(), absl::Milliseconds(500));
  EXPECT_EQ(ParseDuration("1m30s").value(), absl::Seconds(90));
  EXPECT_EQ(ParseDuration("0").value(), absl::ZeroDuration());
}

TEST(UnitsTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "30", "s", "-1s", "inf", "soon", "87601h", "9999999999999h"}) {
    EXPECT_EQ(ParseDuration(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace batucada
