// The embedded model's tokenizer against the ids that trained it, and against whole books.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace batucada {
namespace {

class EmbeddedModelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    absl::StatusOr<std::unique_ptr<Tokenizer>> loaded = Tokenizer::Load(SourcePath("models/samba-classics-18m"));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = loaded->release();
  }
  static void TearDownTestSuite() { delete tokenizer_; }

  static const Tokenizer* tokenizer_;
};
const Tokenizer* EmbeddedModelTest::tokenizer_ = nullptr;

TEST_F(EmbeddedModelTest, GoldenStrings) {
  const boost::json::value golden =
      boost::json::parse(ReadFileOrDie("models/samba-classics-18m/tokenizer_golden.json"));
  int checked = 0;
  for (const boost::json::value& item : golden.as_array()) {
    const auto text = boost::json::value_to<std::string>(item.at("text"));
    const auto expected = boost::json::value_to<std::vector<int32_t>>(item.at("ids"));
    const auto ids = tokenizer_->Encode(text, {.add_special_tokens = false});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, expected) << "text: " << text;
    EXPECT_EQ(tokenizer_->Decode(*ids, /*skip_special=*/false), text);
    ++checked;
  }
  EXPECT_EQ(checked, 78);
}

TEST_F(EmbeddedModelTest, PutsTheStartTokenInFront) {
  const int32_t start = tokenizer_->TokenToId("<|endoftext|>").value();
  const std::vector<int32_t> bare = *tokenizer_->Encode("Hello, world!", {.add_special_tokens = false});
  std::vector<int32_t> expected = {start};
  expected.insert(expected.end(), bare.begin(), bare.end());
  EXPECT_EQ(*tokenizer_->Encode("Hello, world!", {}), expected);
}

TEST_F(EmbeddedModelTest, SpecialTokensInTextAreParsedOnlyWhereAsked) {
  const int32_t end = tokenizer_->TokenToId("<|im_end|>").value();
  EXPECT_TRUE(tokenizer_->IsSpecial(end));
  const std::vector<int32_t> parsed = *tokenizer_->Encode("a<|im_end|>b", {.add_special_tokens = false});
  EXPECT_EQ(parsed.size(), 3);
  EXPECT_EQ(parsed[1], end);
  const std::vector<int32_t> plain =
      *tokenizer_->Encode("a<|im_end|>b", {.add_special_tokens = false, .parse_special = false});
  for (const int32_t id : plain) EXPECT_FALSE(tokenizer_->IsSpecial(id));
  EXPECT_EQ(tokenizer_->Decode(plain, /*skip_special=*/true), "a<|im_end|>b");
  EXPECT_EQ(tokenizer_->Decode(parsed, /*skip_special=*/true), "ab");
  EXPECT_EQ(tokenizer_->Decode(parsed, /*skip_special=*/false), "a<|im_end|>b");
}

TEST_F(EmbeddedModelTest, BooksRoundTrip) {
  for (const char* name : {"anne_of_green_gables", "lost_world", "mysterious_island"}) {
    const std::string text = ReadFileOrDie(std::string("tests/golden/texts/") + name + ".txt");
    const auto ids = tokenizer_->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_LT(ids->size(), text.size() / 3);
    EXPECT_EQ(tokenizer_->Decode(*ids, /*skip_special=*/true), text) << name;
  }
}

TEST_F(EmbeddedModelTest, InvalidUtf8IsRefusedWithItsPlace) {
  for (const std::string text : {"ab\xFF", "\xC3", "a\xED\xA0\x80", "\xF5\x80\x80\x80", "\xC0\x80", "\xE2\x82"}) {
    const auto ids = tokenizer_->Encode(text, {});
    EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(tokenizer_->Encode("ab\xFF", {}).status().ToString(), testing::HasSubstr("byte 2"));
}

TEST_F(EmbeddedModelTest, IdsOutsideTheVocabularyAreHarmless) {
  EXPECT_EQ(tokenizer_->vocab_size(), 8192);
  for (const int32_t id : {-1, 8192, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer_->TokenBytes(id), "");
    EXPECT_FALSE(tokenizer_->IsSpecial(id));
    EXPECT_EQ(tokenizer_->Decode(std::vector<int32_t>{id}, false), "");
  }
}

TEST(TokenizerLoadTest, SaysWhatIsMissing) {
  const auto loaded = Tokenizer::Load("/nonexistent");
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(loaded.status().ToString(), testing::HasSubstr("tokenizer.json or tokenizer.model"));
}

}  // namespace
}  // namespace batucada
