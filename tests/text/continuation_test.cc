// A completion goes on from its prompt: what the two release is the text of all their ids, wherever the border is.
// Against texts of the tokenizers' own libraries (make_fixtures.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

class ContinuationTest : public testing::TestWithParam<const char*> {};

// The first `characters` of `text`.
std::string Beginning(const std::string& text, int64_t characters) {
  size_t end = 0;
  for (; characters > 0; --characters) NextCodepoint(text, &end);
  return text.substr(0, end);
}

TEST_P(ContinuationTest, GoesOnFromThePromptAtEverySplit) {
  const std::string directory = std::string("tests/text/fixtures/") + GetParam();
  const auto tokenizer = Tokenizer::Load(SourcePath(directory));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const boost::json::value golden = boost::json::parse(ReadFileOrDie(directory + "/continuations.json"));
  int splits = 0, compared = 0;
  for (const boost::json::value& item : golden.at("cases").as_array()) {
    const auto ids = boost::json::value_to<std::vector<int32_t>>(item.at("ids"));
    const auto whole = boost::json::value_to<std::string>(item.at("text"));
    const bool skip = item.at("skip_special").as_bool();
    for (size_t split = 0; split <= ids.size(); ++split) {
      const auto prompt = std::span(ids).first(split);
      Detokenizer completion(**tokenizer, skip);
      completion.Follow(prompt);
      std::string text;
      for (const int32_t id : std::span(ids).subspan(split)) {
        const std::string part = completion.Push(id);
        ASSERT_FALSE(FindInvalidUtf8(part).has_value());
        text += part;
      }
      text += completion.Flush();
      const std::string released = (*tokenizer)->DecodeOpen(prompt, skip);
      ASSERT_EQ(released + text, whole) << boost::json::serialize(item) << " at " << split;
      ++splits;
      // The library's own text of the prompt, where nothing of it waits for what follows.
      const int64_t characters = item.at("beginnings").as_array()[split].to_number<int64_t>();
      if (characters < 0 || released != (*tokenizer)->Decode(prompt, skip)) continue;
      ASSERT_EQ(released, Beginning(whole, characters)) << boost::json::serialize(item) << " at " << split;
      ++compared;
    }
  }
  EXPECT_GT(splits, 1000);
  EXPECT_GT(compared, splits * 3 / 4);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ContinuationTest,
                         testing::Values("llama2", "phi3", "metaspace", "metaspace_split", "llama3", "gpt2", "digits",
                                         "digits_behind_bytes", "lowercase", "words", "sentencepiece_bpe",
                                         "sentencepiece_unigram", "sentencepiece_bare"),
                         [](const auto& test) { return std::string(test.param); });

// Vocabularies of all that a stream must remember: starts that differ, bytes, characters that are stripped.
TokenTable RandomTable(std::mt19937* random) {
  static constexpr const char* kBytes[] = {"a",     "_",        "_a_",          "___",      "\xC3",
                                           "\xA9",  "\xF0\x9F", "\x98\x80",     "\x80",     "\xE4\xB8",
                                           "_\xC3", "\xA9_",    "\xF0\x9F\x98", "\x80\x80", ""};
  std::vector<TokenTable::Entry> entries;
  for (const char* bytes : kBytes) {
    TokenTable::Entry& entry = entries.emplace_back();
    entry.content = "t" + std::to_string(entries.size());
    entry.bytes = bytes;
    entry.kind = FindInvalidUtf8(bytes).has_value() || Below(3, random) == 0 ? TokenKind::kBytes : TokenKind::kText;
    entry.special = Below(5, random) == 0;
    const bool drops = entry.bytes.starts_with('_') && Below(2, random) == 0;
    entry.start_bytes = drops ? entry.bytes.substr(1) : entry.bytes;
  }
  return TokenTable(std::move(entries),
                    {.text_start = Below(2, random) == 0 ? TextStart::kFirstToken : TextStart::kUntilTextAppears,
                     .bad_bytes = Below(2, random) == 0 ? BadBytes::kOnePerByte : BadBytes::kOnePerSequence,
                     .strip_char = U'_',
                     .strip_start = Below(4, random),
                     .strip_stop = Below(4, random)});
}

TEST(FollowTest, IsAsIfEveryTokenHadBeenPushed) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    const TokenTable table = RandomTable(&random);
    const bool skip = Below(2, &random) == 0;
    std::vector<int32_t> prompt(static_cast<size_t>(Below(24, &random)));
    for (int32_t& id : prompt) id = Below(table.size() + 1, &random);
    Detokenizer pushed(table, skip), followed(table, skip);
    for (const int32_t id : prompt) pushed.Push(id);
    followed.Follow(prompt);
    ASSERT_EQ(pushed.held(), followed.held());
    for (int i = Below(8, &random); i > 0; --i) {
      const int32_t id = Below(table.size(), &random);
      int64_t lead = 0, expected_lead = 0;
      const std::string expected = pushed.Push(id, &expected_lead);
      ASSERT_EQ(followed.Push(id, &lead), expected) << round;
      ASSERT_EQ(lead, expected_lead) << round;
    }
    ASSERT_EQ(followed.Flush(), pushed.Flush()) << round;
  }
}

// Offsets are where a token's first byte shows: U+FFFD for one that is no character, the character for one that is.
TEST(FollowTest, SaysWhereATokensOwnTextBegins) {
  const auto tokenizer = Tokenizer::Load(SourcePath("tests/text/fixtures/llama2"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto offsets = [&](const std::vector<int32_t>& prompt, const std::vector<std::string>& tokens) {
    Detokenizer detokenizer(**tokenizer, /*skip_special=*/true);
    detokenizer.Follow(prompt);
    std::vector<int64_t> result;
    int64_t characters = 0;
    for (const std::string& token : tokens) {
      int64_t lead = 0;
      const std::string text = detokenizer.Push((*tokenizer)->TokenToId(token).value(), &lead);
      result.push_back(characters + lead);
      characters += static_cast<int64_t>(CountCharacters(text));
    }
    return result;
  };
  using Offsets = std::vector<int64_t>;
  const std::vector<int32_t> start = {1}, text = {1, 325};
  EXPECT_EQ(offsets(start, {"▁H", "ell", "o", "▁wor", "ld"}), Offsets({0, 1, 4, 5, 9})) << "Hello world";
  EXPECT_EQ(offsets(text, {"▁H", "ell", "o", "▁wor", "ld"}), Offsets({0, 2, 5, 6, 10})) << " Hello world";
  EXPECT_EQ(offsets(text, {"<0x9F>", "<0x9F>", "<0x9F>", "<0x41>"}), Offsets({0, 1, 2, 3}));
  EXPECT_EQ(offsets(text, {"<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "ld"}), Offsets({0, 0, 0, 0, 1}));
  EXPECT_EQ(offsets(text, {"<0xE4>", "<0xB8>", "ld"}), Offsets({0, 0, 2}));
}

}  // namespace
}  // namespace batucada
