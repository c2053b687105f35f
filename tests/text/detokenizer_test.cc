// The incremental detokenizer against whole decodes written independently of it.
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/text/test_util.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

TokenTable::Entry Text(std::string bytes) {
  TokenTable::Entry entry;
  entry.content = "t:" + bytes;
  entry.bytes = entry.start_bytes = std::move(bytes);
  entry.kind = TokenKind::kText;
  return entry;
}

TokenTable::Entry Bytes(std::string bytes) {
  TokenTable::Entry entry = Text(std::move(bytes));
  entry.content = "b:" + entry.bytes;
  entry.kind = TokenKind::kBytes;
  return entry;
}

TokenTable::Entry Special(std::string bytes) {
  TokenTable::Entry entry = Text(std::move(bytes));
  entry.content = "s:" + entry.bytes;
  entry.special = true;
  return entry;
}

// Every single byte under its own value, then some longer ones.
std::vector<TokenTable::Entry> ByteVocabulary() {
  std::vector<TokenTable::Entry> entries;
  for (int byte = 0; byte < 256; ++byte) entries.push_back(Bytes(std::string(1, static_cast<char>(byte))));
  for (const char* more : {"ab", "\xE4\xB8", "\xAD ", "\xF0\x9F\x98", "\x80\xF0\x9F", "\xC3\xA9\xC3"}) {
    entries.push_back(Bytes(more));
  }
  return entries;
}

bool ContinuesCharacter(const std::string& bytes, size_t lead, size_t at) {
  const auto b0 = static_cast<uint8_t>(bytes[lead]);
  const auto b = static_cast<uint8_t>(bytes[at]);
  if (at > lead + 1) return b >= 0x80 && b <= 0xBF;
  switch (b0) {
    case 0xE0: return b >= 0xA0 && b <= 0xBF;
    case 0xED: return b >= 0x80 && b <= 0x9F;
    case 0xF0: return b >= 0x90 && b <= 0xBF;
    case 0xF4: return b >= 0x80 && b <= 0x8F;
    default: return b >= 0x80 && b <= 0xBF;
  }
}

// The whole of `bytes` at once, by the book (Unicode 15, table 3-7 and "maximal subpart").
std::string DecodeWhole(const std::string& bytes, BadBytes bad) {
  std::string text;
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<uint8_t>(bytes[i]);
    const size_t need = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    size_t end = i + 1;
    while (end < bytes.size() && end < i + need && ContinuesCharacter(bytes, i, end)) ++end;
    if (end - i == need) {
      text += bytes.substr(i, need);
    } else {
      for (size_t k = 0; k < (bad == BadBytes::kOnePerByte ? end - i : 1); ++k) text += "\xEF\xBF\xBD";
    }
    i = end;
  }
  return text;
}

TEST(DetokenizerTest, EmitsWholeCharactersAsSoonAsTheyAreWhole) {
  const TokenTable table(ByteVocabulary(), {});
  Detokenizer detokenizer(table, true);
  EXPECT_EQ(detokenizer.Push('a'), "a");
  EXPECT_EQ(detokenizer.Push(0xF0), "");
  EXPECT_EQ(detokenizer.Push(0x9F), "");
  EXPECT_EQ(detokenizer.Push(0x98), "");
  EXPECT_EQ(detokenizer.Push(0x80), "😀");
  EXPECT_EQ(detokenizer.Flush(), "");
}

TEST(DetokenizerTest, ReplacesImpossibleBytesAtOnce) {
  const TokenTable table(ByteVocabulary(), {});
  Detokenizer detokenizer(table, true);
  EXPECT_EQ(detokenizer.Push(0x80), "\uFFFD");
  EXPECT_EQ(detokenizer.Push(0xC0), "\uFFFD");
  EXPECT_EQ(detokenizer.Push(0xE0), "");
  EXPECT_EQ(detokenizer.Push(0x80), "\uFFFD\uFFFD");  // overlong: neither byte can stand
  EXPECT_EQ(detokenizer.Push(0xE4), "");
  EXPECT_EQ(detokenizer.Push(0xB8), "");
  EXPECT_EQ(detokenizer.Push('x'), "\uFFFDx");
  EXPECT_EQ(detokenizer.Push(0xF4), "");
  EXPECT_EQ(detokenizer.Flush(), "\uFFFD");
}

class RandomBytesTest : public testing::TestWithParam<BadBytes> {};

TEST_P(RandomBytesTest, EqualsTheWholeDecode) {
  const std::vector<TokenTable::Entry> entries = ByteVocabulary();
  const TokenTable table(entries, {.bad_bytes = GetParam()});
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    Detokenizer detokenizer(table, true);
    std::string bytes, text;
    // Valid text cut anywhere, noise, and the bytes near which the rules change.
    std::string source = RandomText(Below(6, &random), &random);
    for (int i = Below(8, &random); i > 0; --i) {
      static constexpr uint8_t kEdges[] = {0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                                           0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};
      source.insert(source.begin() + Below(static_cast<int>(source.size()) + 1, &random),
                    static_cast<char>(kEdges[Below(std::size(kEdges), &random)]));
    }
    std::vector<int32_t> ids;
    for (const char c : source) ids.push_back(static_cast<uint8_t>(c));
    for (int i = Below(4, &random); i > 0; --i) ids.push_back(Below(static_cast<int>(entries.size()), &random));
    for (const int32_t id : ids) {
      bytes += entries[static_cast<size_t>(id)].bytes;
      const std::string part = detokenizer.Push(id);
      ASSERT_FALSE(FindInvalidUtf8(part).has_value());
      text += part;
      // What is missing is at most the beginning of one character.
      const std::string so_far = DecodeWhole(bytes, GetParam());
      ASSERT_LE(bytes.size() > 3 ? DecodeWhole(bytes.substr(0, bytes.size() - 3), BadBytes::kOnePerSequence).size() : 0,
                text.size() + 9);
      ASSERT_EQ(so_far.substr(0, text.size()), text);
    }
    text += detokenizer.Flush();
    ASSERT_EQ(text, DecodeWhole(bytes, GetParam()));
  }
}

INSTANTIATE_TEST_SUITE_P(BadBytes, RandomBytesTest, testing::Values(BadBytes::kOnePerSequence, BadBytes::kOnePerByte));

TEST(DetokenizerTest, TextEndsARunOfBytes) {
  const TokenTable table({Text("x"), Bytes("\xE4"), Bytes("\xB8")}, {.bad_bytes = BadBytes::kOnePerByte});
  Detokenizer detokenizer(table, true);
  EXPECT_EQ(detokenizer.Push(1), "");
  EXPECT_EQ(detokenizer.Push(2), "");
  EXPECT_EQ(detokenizer.Push(0), "\uFFFD\uFFFDx");
}

TEST(DetokenizerTest, SkipsSpecialTokensWithoutBreakingACharacter) {
  const TokenTable table({Special("<s>"), Bytes("\xC3"), Bytes("\xA9")}, {});
  Detokenizer skipping(table, true);
  EXPECT_EQ(skipping.Push(1), "");
  EXPECT_EQ(skipping.Push(0), "");
  EXPECT_EQ(skipping.Push(2), "é");
  Detokenizer keeping(table, false);
  EXPECT_EQ(keeping.Push(1), "");
  EXPECT_EQ(keeping.Push(0), "\uFFFD<s>");
}

TEST(DetokenizerTest, FirstTokenMayBeDifferent) {
  TokenTable::Entry word = Text(" a");
  word.start_bytes = "a";
  TokenTable::Entry space = Text(" ");
  space.start_bytes = "";
  const auto decode = [&](TextStart start, std::vector<int32_t> ids) {
    const TokenTable table({word, space, Special("<s>")}, {.text_start = start});
    Detokenizer detokenizer(table, true);
    std::string text;
    for (const int32_t id : ids) text += detokenizer.Push(id);
    return text + detokenizer.Flush();
  };
  EXPECT_EQ(decode(TextStart::kFirstToken, {0, 0}), "a a");
  EXPECT_EQ(decode(TextStart::kFirstToken, {2, 0, 0}), "a a");
  EXPECT_EQ(decode(TextStart::kFirstToken, {1, 0}), " a");
  EXPECT_EQ(decode(TextStart::kUntilTextAppears, {1, 1, 0, 1}), "a ");
}

TEST(DetokenizerTest, StripsTheEndsOfTheWholeText) {
  const StreamRules rules{.strip_char = U'_', .strip_start = 2, .strip_stop = 2};
  const TokenTable table({Text("_"), Text("a"), Text("_a_"), Text("___")}, rules);
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    Detokenizer detokenizer(table, true);
    std::string whole, text;
    for (int i = Below(8, &random); i > 0; --i) {
      const int32_t id = Below(4, &random);
      whole += table.bytes(id);
      text += detokenizer.Push(id);
    }
    text += detokenizer.Flush();
    std::string expected = whole;
    for (int i = 0; i < 2 && !expected.empty() && expected.front() == '_'; ++i) expected.erase(0, 1);
    for (int i = 0; i < 2 && !expected.empty() && expected.back() == '_'; ++i) expected.pop_back();
    ASSERT_EQ(text, expected) << whole;
  }
}

TEST(DetokenizerTest, StreamsTheEmbeddedModelAsItDecodes) {
  const auto tokenizer = Tokenizer::Load(SourcePath("models/samba-classics-18m"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const std::string text = RandomText(60, &random);
    const std::vector<int32_t> ids = *(*tokenizer)->Encode(text, {});
    Detokenizer detokenizer(**tokenizer, true);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string part = detokenizer.Push(id);
      ASSERT_FALSE(FindInvalidUtf8(part).has_value());
      streamed += part;
      ASSERT_EQ(streamed, text.substr(0, streamed.size()));
    }
    ASSERT_EQ(streamed + detokenizer.Flush(), text);
  }
}

}  // namespace
}  // namespace batucada
