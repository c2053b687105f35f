// tokenizer.model against ids and texts of the SentencePiece library itself (make_fixtures.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/detokenizer.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

std::vector<int32_t> Ids(const boost::json::value& json) { return boost::json::value_to<std::vector<int32_t>>(json); }

class SentencePieceTest : public testing::TestWithParam<const char*> {};

TEST_P(SentencePieceTest, EqualsTheGoldens) {
  const std::string directory = std::string("tests/text/fixtures/") + GetParam();
  const auto tokenizer = Tokenizer::Load(SourcePath(directory));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const boost::json::value golden = boost::json::parse(ReadFileOrDie(directory + "/golden.json"));
  ASSERT_GT(golden.as_array().size(), 100);
  for (const boost::json::value& item : golden.as_array()) {
    const boost::json::object& given = item.as_object();
    const bool from_text = given.contains("text");
    const std::vector<int32_t> ids = Ids(given.at(from_text ? "ids" : "random_ids"));
    if (from_text) {
      const auto text = boost::json::value_to<std::string>(given.at("text"));
      const auto plain = (*tokenizer)->Encode(text, {.add_special_tokens = false, .parse_special = false});
      ASSERT_TRUE(plain.ok()) << plain.status();
      EXPECT_EQ(*plain, Ids(given.at("plain_ids"))) << given.at("text");
      const auto with_start = (*tokenizer)->Encode(text, {.add_special_tokens = true, .parse_special = false});
      EXPECT_EQ(*with_start, ids) << given.at("text");
    }
    const auto decoded = boost::json::value_to<std::string>(given.at("decoded_without_special"));
    EXPECT_EQ((*tokenizer)->Decode(ids, /*skip_special=*/true), decoded) << boost::json::serialize(given);
    Detokenizer detokenizer(**tokenizer, /*skip_special=*/true);
    std::string streamed;
    for (const int32_t id : ids) streamed += detokenizer.Push(id);
    EXPECT_EQ(streamed + detokenizer.Flush(), decoded);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceTest,
                         testing::Values("sentencepiece_bpe", "sentencepiece_unigram", "sentencepiece_bare"),
                         [](const auto& test) { return std::string(test.param); });

TEST(SentencePieceTokenizerTest, RecognisesControlTokensOnlyWhereAsked) {
  const auto loaded = Tokenizer::Load(SourcePath("tests/text/fixtures/sentencepiece_bpe"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Tokenizer& tokenizer = **loaded;
  const int32_t end = tokenizer.TokenToId("</s>").value();
  EXPECT_TRUE(tokenizer.IsSpecial(end));
  const std::vector<int32_t> parsed = *tokenizer.Encode("the</s>the", {.add_special_tokens = false});
  ASSERT_GE(parsed.size(), 3);
  EXPECT_EQ(std::count(parsed.begin(), parsed.end(), end), 1);
  const std::vector<int32_t> plain =
      *tokenizer.Encode("the</s>the", {.add_special_tokens = false, .parse_special = false});
  EXPECT_EQ(std::count(plain.begin(), plain.end(), end), 0);
  EXPECT_EQ(tokenizer.Decode(plain, /*skip_special=*/true), "the</s>the");
}

TEST(SentencePieceTokenizerTest, RefusesWhatIsNoModel) {
  const std::string model = ReadFileOrDie("tests/text/fixtures/sentencepiece_bpe/tokenizer.model");
  for (const std::string& bad : {std::string(), std::string("hello"), model.substr(0, model.size() / 2 + 1)}) {
    const auto tokenizer = SentencePieceTokenizer::Parse(bad, "tokenizer.model");
    EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(tokenizer.status().ToString(), testing::HasSubstr("tokenizer.model: not a SentencePiece model"));
  }
}

// Serialised messages one behind the other are one merged message: a token behind the model's own.
std::string WithToken(std::string model, const std::string& piece, char type) {
  model += {'\x0a', static_cast<char>(piece.size() + 4), '\x0a', static_cast<char>(piece.size())};
  return model + piece + '\x18' + type;
}
constexpr char kNormal = 1, kControl = 3;
constexpr std::string_view kSnowman = "\xe2\x98\x83";

std::string Repeated(std::string_view text, size_t times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

// A file with a text that the library is to check when it reads it.
std::string WithSelfTest(std::string model, std::string_view input, std::string_view expected) {
  const std::string sample = std::string("\x0a") + static_cast<char>(input.size()) + std::string(input) + '\x12' +
                             static_cast<char>(expected.size()) + std::string(expected);
  const std::string data = std::string("\x0a") + static_cast<char>(sample.size()) + sample;
  return model + '\x22' + static_cast<char>(data.size()) + data;
}

TEST(SentencePieceTokenizerTest, TakesLongRunsOfUnknownCharactersWhateverTheFileHolds) {
  const std::string model = ReadFileOrDie("tests/text/fixtures/sentencepiece_unigram/tokenizer.model");
  const auto plain = SentencePieceTokenizer::Parse(model, "plain");
  ASSERT_TRUE(plain.ok()) << plain.status();
  std::vector<std::string> others = {WithToken(model, "<0x41>", kControl)};
  for (const std::string_view expected : {"\xe2\x98\x83", "\xe2\x96\x81 \xe2\x98\x83", "\xe2\x96\x81\xe2\x98\x83"}) {
    const std::string tested = WithSelfTest(model, kSnowman, expected);
    if (SentencePieceTokenizer::Parse(tested, "tested").ok()) others.push_back(tested);
  }
  ASSERT_EQ(others.size(), 2U) << "one of the expectations is the library's";
  // A million of them took hours.
  const std::string text = "the " + Repeated(kSnowman, 1'000'000) + " A <0x41> end";
  const auto want = (*plain)->Encode(text, {});
  ASSERT_TRUE(want.ok()) << want.status();
  for (const std::string& other : others) {
    const auto tokenizer = SentencePieceTokenizer::Parse(other, "other");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ(*(*tokenizer)->Encode(text, {}), *want);
  }
}

TEST(SentencePieceTokenizerTest, BoundsRunsOfUnknownCharactersWhereATokenIsSpelledAsAByte) {
  const std::string model = ReadFileOrDie("tests/text/fixtures/sentencepiece_unigram/tokenizer.model");
  const auto tokenizer = SentencePieceTokenizer::Parse(WithToken(model, "<0x41>", kNormal), "odd");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->Encode("the " + Repeated(kSnowman, 1000), {}).ok());
  EXPECT_TRUE((*tokenizer)->Encode(Repeated("the end of it ", 20'000), {}).ok());
  const auto refused = (*tokenizer)->Encode(Repeated(kSnowman, 20'000), {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().ToString(), testing::HasSubstr("20000 characters in a row that are in no token"));
}

}  // namespace
}  // namespace batucada
