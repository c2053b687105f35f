// How many sets of tokens are kept, and which.
#include "text/grammar/token_set.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/vocabulary.h"

namespace batucada::grammar {
namespace {

using std::chrono::hours;
using std::chrono::steady_clock;

// Tokens of digits alone, so many that few sets of them fill the room there is.
class TokenSetsTest : public testing::Test {
 protected:
  static constexpr size_t kTokens = 100000;

  void SetUp() override {
    std::vector<std::string> texts;
    for (size_t i = 0; i < kTokens; ++i) texts.push_back(std::to_string(kTokens + i));
    std::vector<std::pair<std::string_view, int32_t>> tokens;
    for (size_t i = 0; i < kTokens; ++i) tokens.emplace_back(texts[i], static_cast<int32_t>(i));
    trie_ = TokenTrie(tokens);
    bool fresh = false;
    const size_t bytes = TokenSets().Find(Digits(0), trie_, TokenSet::kRoot, kTokens / 32, &fresh)->bytes();
    room_ = static_cast<int>(TokenSets::kMostBytes / bytes);
    ASSERT_GT(room_, 10);
    ASSERT_LT(room_, 100);
  }
  // Digits and some other characters, of which there is no token.
  static CharClass Digits(int which) {
    CharClass chars;
    for (char c = '0'; c <= '9'; ++c) chars.ascii[static_cast<size_t>(c)] = true;
    for (int bit = 0; bit < 7; ++bit) chars.ascii[static_cast<size_t>('a' + bit)] = (which >> bit & 1) != 0;
    return chars;
  }
  // Whether it had to be made.
  bool Makes(int which) {
    bool fresh = false;
    EXPECT_EQ(sets_.Find(Digits(which), trie_, TokenSet::kRoot, kTokens / 32, &fresh)->tokens().size(), kTokens);
    return fresh;
  }

  TokenTrie trie_;
  TokenSets sets_;
  int room_ = 0;  // sets that are kept at once
};

TEST_F(TokenSetsTest, WhatWasUsedLeastLatelyGoesWhereTheyTakeTooMuch) {
  for (int i = 0; i < room_; ++i) EXPECT_TRUE(Makes(i));
  for (int i = 0; i < room_; ++i) EXPECT_FALSE(Makes(i)) << "there is room for all of them";
  EXPECT_TRUE(Makes(room_));
  EXPECT_FALSE(Makes(1));
  EXPECT_TRUE(Makes(0));
}

TEST_F(TokenSetsTest, WhatIsForgottenLeavesItsRoom) {
  for (int i = 0; i < room_; ++i) EXPECT_TRUE(Makes(i));
  sets_.ForgetUnused(steady_clock::now() + hours(1));
  for (int i = 0; i < room_; ++i) EXPECT_TRUE(Makes(i)) << "forgotten";
  for (int i = 0; i < room_; ++i) EXPECT_FALSE(Makes(i)) << "there is room for all of them";
}

class RunsTokenizer : public Tokenizer {
 public:
  explicit RunsTokenizer(TokenTable table) : Tokenizer(std::move(table)) {}
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view, const EncodeOptions&) const override {
    return absl::UnimplementedError("nothing is encoded here");
  }
};

// A token has one character more than its id says.
TEST(VocabularyTest, TokensOfAsManyCharactersAsFitStay) {
  constexpr int32_t kIds = 64;
  std::vector<TokenTable::Entry> entries(kIds);
  for (size_t id = 0; id < entries.size(); ++id) {
    std::string text;
    for (size_t i = 0; i <= id; ++i) text += id % 2 == 0 ? "a" : "é";
    entries[id] = {.content = text, .bytes = text, .start_bytes = text, .kind = TokenKind::kText};
  }
  const RunsTokenizer tokenizer(TokenTable(std::move(entries), StreamRules{}));
  const Vocabulary vocabulary(tokenizer, kIds, {});
  for (const int32_t most : {1, 2, 15, 16, 17, 18, 40, 63, 64, 100}) {
    std::vector<uint32_t> mask(vocabulary.words(), UINT32_MAX);
    vocabulary.RemoveLonger(most, mask);
    for (int32_t id = 0; id < kIds; ++id) {
      EXPECT_EQ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0, id + 1 <= most)
          << id + 1 << " characters of at most " << most;
    }
  }
}

}  // namespace
}  // namespace batucada::grammar
