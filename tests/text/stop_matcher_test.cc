// The stop matcher against a brute-force search of the whole text.
#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/text/test_util.h"

namespace batucada {
namespace {

StopMatcher Make(std::vector<std::string> stops) {
  absl::StatusOr<StopMatcher> matcher = StopMatcher::Create(std::move(stops));
  EXPECT_TRUE(matcher.ok()) << matcher.status();
  return *std::move(matcher);
}

// The stop string that ends first; of several the longest.
std::optional<StopMatcher::Match> Search(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<StopMatcher::Match> best;
    for (size_t i = 0; i < stops.size(); ++i) {
      const size_t size = stops[i].size();
      if (size > end || text.compare(end - size, size, stops[i]) != 0) continue;
      if (!best.has_value() || size > stops[best->index].size()) best = {.index = i, .offset = end - size};
    }
    if (best.has_value()) return best;
  }
  return std::nullopt;
}

// The longest suffix of `text` that is a proper beginning of some stop string.
size_t MustHold(const std::string& text, const std::vector<std::string>& stops) {
  size_t hold = 0;
  for (const std::string& stop : stops) {
    for (size_t n = 1; n < stop.size() && n <= text.size(); ++n) {
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) hold = std::max(hold, n);
    }
  }
  return hold;
}

TEST(StopMatcherTest, FindsAStopStringAcrossBorders) {
  StopMatcher matcher = Make({"\nUser:"});
  EXPECT_EQ(matcher.Push("Hello\n").text, "Hello");
  EXPECT_EQ(matcher.Push("Us").text, "");
  const StopMatcher::Result result = matcher.Push("er: hi");
  EXPECT_EQ(result.text, "");
  ASSERT_TRUE(result.match.has_value());
  EXPECT_EQ(result.match->index, 0);
  EXPECT_EQ(result.match->offset, 5);
  EXPECT_EQ(matcher.Push("more").text, "");
  EXPECT_FALSE(matcher.Push("\nUser:").match.has_value());
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcherTest, ReleasesWhatCannotBecomeAStopString) {
  StopMatcher matcher = Make({"aab"});
  EXPECT_EQ(matcher.Push("aa").text, "");
  EXPECT_EQ(matcher.Push("a").text, "a");
  EXPECT_EQ(matcher.Push("c").text, "aac");
  EXPECT_EQ(matcher.Push("a").text, "");
  EXPECT_EQ(matcher.Flush(), "a");
}

TEST(StopMatcherTest, WithoutStopStringsAllTextPasses) {
  StopMatcher matcher = Make({});
  EXPECT_EQ(matcher.Push("abc").text, "abc");
  EXPECT_EQ(matcher.Flush(), "");
}

TEST(StopMatcherTest, EqualsBruteForce) {
  std::mt19937 random(5);
  int matches = 0;
  for (int round = 0; round < 30000; ++round) {
    const auto word = [&](int longest) {
      std::string s;
      for (int i = Below(longest, &random); i >= 0; --i) s += static_cast<char>('a' + Below(2, &random));
      return s;
    };
    std::vector<std::string> stops;
    for (int i = Below(4, &random); i >= 0; --i) stops.push_back(word(7));
    StopMatcher matcher = Make(stops);
    std::string whole, sent;
    std::optional<StopMatcher::Match> match;
    for (int i = Below(12, &random); i > 0 && !match.has_value(); --i) {
      const std::string part = Below(5, &random) == 0 ? "" : word(4);
      whole += part;
      const StopMatcher::Result result = matcher.Push(part);
      sent += result.text;
      match = result.match;
      if (!match.has_value()) {
        ASSERT_EQ(sent, whole.substr(0, whole.size() - MustHold(whole, stops)));
      }
    }
    const std::optional<StopMatcher::Match> expected = Search(whole, stops);
    ASSERT_EQ(match.has_value(), expected.has_value()) << whole;
    if (match.has_value()) {
      ++matches;
      ASSERT_EQ(stops[match->index], stops[expected->index]);
      ASSERT_EQ(match->offset, expected->offset);
      ASSERT_EQ(sent, whole.substr(0, match->offset));
    } else {
      ASSERT_EQ(sent + matcher.Flush(), whole);
    }
  }
  EXPECT_GT(matches, 5000);
}

TEST(StopMatcherTest, RefusesWhatItCannotBound) {
  EXPECT_FALSE(StopMatcher::Create({""}).ok());
  EXPECT_FALSE(StopMatcher::Create({std::string(StopMatcher::kMaxStopBytes + 1, 'a')}).ok());
  EXPECT_FALSE(StopMatcher::Create(std::vector<std::string>(StopMatcher::kMaxStopStrings + 1, "a")).ok());
  EXPECT_TRUE(StopMatcher::Create({std::string(StopMatcher::kMaxStopBytes, 'a')}).ok());
}

TEST(StopMatcherTest, StaysLinearOnRepetitiveText) {
  StopMatcher matcher = Make({std::string(StopMatcher::kMaxStopBytes - 1, 'a') + "b"});
  size_t sent = 0;
  for (int i = 0; i < 200000; ++i) sent += matcher.Push("aaaaa").text.size();
  EXPECT_EQ(sent, 1000000 - (StopMatcher::kMaxStopBytes - 1));
}

}  // namespace
}  // namespace batucada
