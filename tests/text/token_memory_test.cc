// A memory changes how long tokenizing takes, and nothing else.
#include "text/token_memory.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

std::vector<int32_t> Encoded(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options) {
  const auto ids = tokenizer.Encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(std::vector<int32_t>());
}

class TokenMemoryTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    auto tokenizer =
        Tokenizer::Load(SourcePath(name == "embedded" ? "models/samba-classics-18m" : "tests/text/fixtures/" + name));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      if (tokenizer_->IsSpecial(id)) special_.emplace_back(tokenizer_->table().content(id));
    }
  }

  // Turns of a conversation, short and long, with special tokens between them and now and then within.
  std::string Talk(size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      if (!special_.empty() && Below(3, &random_) > 0)
        text += special_[static_cast<size_t>(Below(static_cast<int>(special_.size()), &random_))];
      if (Below(2, &random_) == 0) text += "  ";
      text += RandomText(Below(8, &random_) == 0 ? 6000 : 300, &random_);
    }
    return text;
  }

  std::mt19937 random_{7};
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<std::string> special_;
};

TEST_P(TokenMemoryTest, IdsAreTheSame) {
  TokenMemory memory(size_t{8} << 20);
  for (int talk = 0; talk < 12; ++talk) {
    std::string text = Talk(3000);
    for (int turn = 0; turn < 8; ++turn) {
      const bool add_special = Below(2, &random_) == 0, parse_special = Below(4, &random_) > 0;
      const EncodeOptions anew{.add_special_tokens = add_special, .parse_special = parse_special};
      EncodeOptions remembered = anew;
      remembered.memory = &memory;
      remembered.owner = turn % 3 == 0 ? "one" : "another";
      EXPECT_EQ(Encoded(*tokenizer_, text, remembered), Encoded(*tokenizer_, text, anew))
          << "talk " << talk << ", turn " << turn;
      // It goes on, from where it was or from somewhere within.
      if (Below(3, &random_) == 0) {
        size_t end = static_cast<size_t>(Below(static_cast<int>(text.size()), &random_));
        while ((text[end] & 0xC0) == 0x80) --end;
        text.resize(end);
      }
      text += Talk(2000);
    }
  }
}

// What the cuts rest on: ids on either side do not depend on the other.
TEST_P(TokenMemoryTest, TextIsCutWhereItMayBe) {
  const std::string name = GetParam();
  if (name != "llama3" && name != "o200k" && name != "falcon" && name != "embedded") return;  // cut between turns only
  const EncodeOptions plain{.add_special_tokens = false, .parse_special = false};
  int cuts = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = RandomText(120, &random_);
    const std::vector<int32_t> whole = Encoded(*tokenizer_, text, plain);
    for (size_t at = 1; at < text.size(); ++at) {
      if (text[at] != ' ' || text[at - 1] <= ' ' || text[at - 1] > '~') continue;
      std::vector<int32_t> parts = Encoded(*tokenizer_, text.substr(0, at), plain);
      const std::vector<int32_t> rest = Encoded(*tokenizer_, text.substr(at), plain);
      parts.insert(parts.end(), rest.begin(), rest.end());
      ASSERT_EQ(parts, whole) << text << ", cut at " << at;
      ++cuts;
    }
  }
  EXPECT_GT(cuts, 1000);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenMemoryTest,
                         testing::Values("embedded", "llama2", "phi3", "metaspace", "metaspace_split", "llama3",
                                         "o200k", "falcon", "gpt2", "digits", "digits_behind_bytes", "lowercase",
                                         "words"),
                         [](const auto& test) { return std::string(test.param); });

// At the beginning of a text alone this tokenizer puts a blank before it: the reference has ids 325 and 311 there.
TEST(TokenMemory, WhatStandsAtTheBeginningIsAnotherThingLaterOn) {
  const auto tokenizer = Tokenizer::Load(SourcePath("tests/text/fixtures/metaspace"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::string stretch;
  for (int i = 0; i < 511; ++i) stretch += "the sea ";
  stretch += "land</s>";  // with the token as long as what is looked up
  const EncodeOptions anew{.add_special_tokens = false};
  EncodeOptions remembered = anew;
  TokenMemory memory(size_t{1} << 20);
  remembered.memory = &memory;
  const std::vector<int32_t> ids = Encoded(**tokenizer, stretch + stretch, remembered);
  EXPECT_EQ(ids, Encoded(**tokenizer, stretch + stretch, anew));
  ASSERT_FALSE(ids.empty());
  EXPECT_EQ(ids[0], 325);
  const auto second = std::find(ids.begin(), ids.end(), (*tokenizer)->TokenToId("</s>").value_or(-1));
  ASSERT_LT(second - ids.begin(), std::ssize(ids) - 1);
  EXPECT_EQ(second[1], 311);
}

TEST(TokenMemory, KnowsWhatIsTheSameInEverything) {
  TokenMemory memory(size_t{1} << 20);
  const std::vector<TokenMemory::Part> parts = {{-1, 3}, {7, 4}};
  const TokenMemory::Stretch stretch{.owner = "a", .text = "one<s>x", .parts = parts, .at_start = true};
  memory.Remember(stretch, std::vector<int32_t>{1, 2, 3});
  std::vector<int32_t> ids = {9};
  ASSERT_TRUE(memory.Find(stretch, &ids));
  EXPECT_EQ(ids, (std::vector<int32_t>{9, 1, 2, 3}));

  TokenMemory::Stretch other = stretch;
  other.owner = "b";
  EXPECT_FALSE(memory.Find(other, &ids));
  other = stretch;
  other.text = "two<s>x";
  EXPECT_FALSE(memory.Find(other, &ids));
  other = stretch;
  other.at_start = false;
  EXPECT_FALSE(memory.Find(other, &ids));
  const std::vector<TokenMemory::Part> plain = {{-1, 7}};
  other = stretch;
  other.parts = plain;
  EXPECT_FALSE(memory.Find(other, &ids));
  EXPECT_EQ(ids.size(), 4);
}

TEST(TokenMemory, ForgetsWhatWasUsedLeastLately) {
  TokenMemory memory(40000);
  const auto stretch = [](const std::string& text) { return TokenMemory::Stretch{.owner = "a", .text = text}; };
  const std::vector<int32_t> ids(100, 5);
  const std::string first(4096, 'a');
  memory.Remember(stretch(first), ids);
  for (char c = 'b'; c < 'z'; ++c) {
    memory.Remember(stretch(std::string(4096, c)), ids);
    EXPECT_LE(memory.bytes(), 40000);
    std::vector<int32_t> found;
    EXPECT_TRUE(memory.Find(stretch(first), &found)) << "used again after each";
  }
  std::vector<int32_t> found;
  EXPECT_FALSE(memory.Find(stretch(std::string(4096, 'b')), &found));
  EXPECT_TRUE(memory.Find(stretch(std::string(4096, 'y')), &found));
  const size_t before = memory.bytes();
  memory.Remember(stretch(std::string(50000, 'x')), ids);  // larger than all there is
  EXPECT_EQ(memory.bytes(), before);
  memory.Remember(stretch(first), ids);  // known already
  EXPECT_EQ(memory.bytes(), before);
}

}  // namespace
}  // namespace batucada
