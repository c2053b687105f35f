// Start and end tokens as transformers puts them around a text (make_start_tokens.py).
#include "text/tokenizer_config.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

// A model directory with a fixture's tokenizer.json and a tokenizer_config.json.
class TokenizerConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string("tokenizer_config_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& fixture, const std::string& config) {
    std::filesystem::copy_file(SourcePath("tests/text/fixtures/" + fixture + "/tokenizer.json"),
                               directory_ / "tokenizer.json", std::filesystem::copy_options::overwrite_existing);
    std::ofstream(directory_ / "tokenizer_config.json") << config;
    return Tokenizer::Load(directory_.string());
  }
  std::string Error(const std::string& config) { return std::string(Load("llama2", config).status().message()); }

  std::filesystem::path directory_;
};

TEST_F(TokenizerConfigTest, EqualsTransformers) {
  const boost::json::value golden = boost::json::parse(ReadFileOrDie("tests/text/fixtures/start_tokens.json"));
  ASSERT_GT(golden.at("cases").as_array().size(), 100);
  for (const boost::json::value& item : golden.at("cases").as_array()) {
    const auto tokenizer =
        Load(boost::json::value_to<std::string>(item.at("fixture")), boost::json::serialize(item.at("config")));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const auto text = boost::json::value_to<std::string>(item.at("text"));
    EXPECT_EQ((*tokenizer)->Encode(text, {}).value(), boost::json::value_to<std::vector<int32_t>>(item.at("ids")))
        << boost::json::serialize(item);
    EXPECT_EQ((*tokenizer)->Encode(text, {.add_special_tokens = false}).value(),
              boost::json::value_to<std::vector<int32_t>>(item.at("bare")))
        << boost::json::serialize(item);
  }
}

TEST_F(TokenizerConfigTest, CountsWhereNoClassIsNamed) {
  const auto ids = [&](const std::string& config) { return Load("llama2", config).value()->Encode("the", {}).value(); };
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(ids(R"({})"), Ids({1, 325}));
  EXPECT_EQ(ids(R"({"add_bos_token": null})"), Ids({1, 325}));
  EXPECT_EQ(ids(R"({"add_bos_token": false})"), Ids({325}));
  EXPECT_EQ(ids(R"({"add_eos_token": true, "eos_token": {"content": "</s>"}})"), Ids({1, 325, 2}));
}

TEST_F(TokenizerConfigTest, CountsForSentencePieceToo) {
  std::filesystem::copy_file(SourcePath("tests/text/fixtures/sentencepiece_bpe/tokenizer.model"),
                             directory_ / "tokenizer.model");
  std::ofstream(directory_ / "tokenizer_config.json")
      << R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false, "add_eos_token": true})";
  const auto tokenizer = Tokenizer::Load(directory_.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<int32_t> bare = (*tokenizer)->Encode("the", {.add_special_tokens = false}).value();
  std::vector<int32_t> ended = bare;
  ended.push_back((*tokenizer)->TokenToId("</s>").value());
  EXPECT_EQ((*tokenizer)->Encode("the", {}).value(), ended);
}

TEST_F(TokenizerConfigTest, SaysWhatIsWrong) {
  using testing::HasSubstr;
  EXPECT_THAT(Error("{"), HasSubstr("tokenizer_config.json: not valid JSON"));
  EXPECT_THAT(Error(R"({"add_bos_token": 1})"), HasSubstr("tokenizer_config.json: $.add_bos_token"));
  EXPECT_THAT(Error(R"({"add_bos_token": true, "bos_token": "<start>"})"),
              HasSubstr("add_bos_token is true, but the tokenizer has no token \"<start>\""));
}

}  // namespace
}  // namespace batucada
