// tokenizer.model against ids and texts of the SentencePiece library itself (make_fixtures.py).
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

}  // namespace
}  // namespace batucada
