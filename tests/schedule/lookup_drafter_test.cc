#include "engine/schedule/lookup_drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/splitmix.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LookupDrafterTest : public testing::Test {
 protected:
  void Admit(SequenceId id, std::vector<int32_t> prompt) { drafter.OnAdmitted(id, {.prompt = std::move(prompt)}); }
  // What a share of `rows` rows has drawn.
  void Draw(SequenceId id, const std::vector<int32_t>& ids, int32_t rows = 1) {
    std::vector<TokenResult> tokens;
    for (const int32_t one : ids) tokens.push_back({.id = one});
    drafter.OnDrawn(id, tokens, rows);
  }
  std::vector<int32_t> Draft(SequenceId id, int64_t position, int32_t most, int32_t undecided = 0) {
    std::vector<int32_t> drafts;
    drafter.Draft(id, position, undecided, most, &drafts);
    return drafts;
  }

  LookupDrafter drafter;
};

TEST_F(LookupDrafterTest, WhatFollowedTheNewestThreeIds) {
  Admit(1, {1, 2, 3, 40, 50, 60, 70, 1, 2, 3});
  EXPECT_THAT(Draft(1, 10, 2), ElementsAre(40, 50));
  EXPECT_THAT(Draft(1, 10, 9), ElementsAre(40, 50, 60)) << "three to begin with";
  Admit(2, {1, 2, 9, 40, 50, 60, 70, 1, 2, 3});
  EXPECT_THAT(Draft(2, 10, 3), IsEmpty()) << "two are too few";
  EXPECT_THAT(Draft(1, 10, 1), ElementsAre(40)) << "each has a text of its own";
}

TEST_F(LookupDrafterTest, TheNewestOccurrenceOfAll) {
  Admit(1, {1, 2, 3, 40, 1, 2, 3, 50, 1, 2});
  EXPECT_THAT(Draft(1, 10, 1), IsEmpty());
  Draw(1, {3});
  EXPECT_THAT(Draft(1, 11, 1), ElementsAre(50));
}

TEST_F(LookupDrafterTest, WhatIsNotKnownYetRepeatsItself) {
  Admit(1, {7, 8, 7, 8, 7, 8});
  EXPECT_THAT(Draft(1, 6, 3), ElementsAre(7, 8, 7));
  EXPECT_THAT(Draft(1, 9, 3, /*undecided=*/2), ElementsAre(8, 7, 8)) << "behind three rows in flight";
}

TEST_F(LookupDrafterTest, AsManyAsWereWorthTheirRows) {
  Admit(1, std::vector<int32_t>(10, 5));
  EXPECT_EQ(Draft(1, 10, 20).size(), 3u);
  Draw(1, {5, 5, 5, 5}, 4);
  EXPECT_EQ(Draft(1, 14, 20).size(), 6u) << "all were kept";
  Draw(1, {5, 5, 5}, 7);
  EXPECT_EQ(Draft(1, 17, 20).size(), 3u) << "two were";
  int64_t position = 17;
  // None was: then there are none for two tokens, four, eight …
  for (const int pause : {2, 4, 8, 16, 32, 64, 64, 64}) {
    ASSERT_FALSE(Draft(1, position, 20).empty());
    Draw(1, {5}, 4);
    ++position;
    for (int i = 0; i < pause; ++i, ++position) {
      ASSERT_THAT(Draft(1, position, 20), IsEmpty()) << pause << ", " << i;
      Draw(1, {5});
    }
  }
  Draw(1, {5, 5}, 2);
  Draw(1, {5}, 2);
  Draw(1, {5});
  EXPECT_THAT(Draft(1, position + 4, 20), IsEmpty());
  Draw(1, {5});
  EXPECT_EQ(Draft(1, position + 5, 20).size(), 1u) << "a success has shortened the pause";
}

// Against the whole text, looked through at every token; longer than what is remembered at once, drawn in pieces of
// any length.
TEST_F(LookupDrafterTest, IsWhatTheNewestPartOfTheTextSays) {
  SplitMixRandom random(7);
  std::vector<int32_t> text;
  const auto more = [&] { return static_cast<int32_t>(random() % 40); };
  for (int i = 0; i < LookupDrafter::kRemembered + 1000; ++i) text.push_back(more());
  Admit(1, text);
  int found = 0;
  while (text.size() < 5 * LookupDrafter::kRemembered) {
    std::vector<int32_t> drawn(1 + random() % 6);
    std::generate(drawn.begin(), drawn.end(), more);
    text.insert(text.end(), drawn.begin(), drawn.end());
    Draw(1, drawn);
    const std::vector<int32_t> drafts = Draft(1, static_cast<int64_t>(text.size()), 1);
    if (drafts.empty()) continue;
    ++found;
    // It may not know every occurrence, but it never makes one up.
    bool occurs = false;
    for (size_t end = text.size() - 1; !occurs && end >= 3 && end + 2 * LookupDrafter::kRemembered > text.size();
         --end) {
      occurs = text[end] == drafts[0] &&
               std::equal(text.end() - 3, text.end(), text.begin() + static_cast<std::ptrdiff_t>(end) - 3);
    }
    ASSERT_TRUE(occurs) << "at " << text.size();
  }
  EXPECT_GT(found, 1000);
}

}  // namespace
}  // namespace batucada
