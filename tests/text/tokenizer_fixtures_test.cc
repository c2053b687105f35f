// Every supported kind of tokenizer.json against ids and texts that Hugging Face's library gave (make_fixtures.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

class FixtureTest : public testing::TestWithParam<const char*> {};

TEST_P(FixtureTest, EqualsTheGoldens) {
  const std::string directory = std::string("tests/text/fixtures/") + GetParam();
  const auto tokenizer = Tokenizer::Load(SourcePath(directory));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const boost::json::value golden = boost::json::parse(ReadFileOrDie(directory + "/golden.json"));
  ASSERT_GT(golden.as_array().size(), 50);
  for (const boost::json::value& item : golden.as_array()) {
    const auto text = boost::json::value_to<std::string>(item.at("text"));
    const auto expected = boost::json::value_to<std::vector<int32_t>>(item.at("ids"));
    const auto ids = (*tokenizer)->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, expected) << "text: " << boost::json::serialize(item.at("text"));

    const auto plain = (*tokenizer)->Encode(text, {.add_special_tokens = false, .parse_special = false});
    ASSERT_TRUE(plain.ok()) << plain.status();
    EXPECT_EQ(*plain, boost::json::value_to<std::vector<int32_t>>(item.at("plain_ids")))
        << "text: " << boost::json::serialize(item.at("text"));

    for (const bool skip_special : {false, true}) {
      const auto decoded =
          boost::json::value_to<std::string>(item.at(skip_special ? "decoded_without_special" : "decoded"));
      EXPECT_EQ((*tokenizer)->Decode(expected, skip_special), decoded) << boost::json::serialize(item.at("text"));
      Detokenizer detokenizer(**tokenizer, skip_special);
      std::string streamed;
      for (const int32_t id : expected) streamed += detokenizer.Push(id);
      EXPECT_EQ(streamed + detokenizer.Flush(), decoded);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, FixtureTest,
                         testing::Values("llama2", "phi3", "metaspace", "metaspace_split", "llama3", "o200k", "falcon",
                                         "gpt2", "digits", "digits_behind_bytes", "lowercase", "words"),
                         [](const auto& test) { return std::string(test.param); });

// The ids are those of tokenizers 0.23.3.
TEST(PrefixFixtureTest, NothingIsPutBeforeATextOfWhichNothingIsLeft) {
  boost::json::value file = boost::json::parse(ReadFileOrDie("tests/text/fixtures/words/tokenizer.json"));
  file.as_object()["normalizer"] = boost::json::parse(R"({"type": "Sequence", "normalizers": [
      {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "Prepend", "prepend": "\u2581"}]})");
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("prefixed_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json", std::ios::binary) << boost::json::serialize(file);
  const auto tokenizer = Tokenizer::Load(folder.string());
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode(" a", {}).value(), (std::vector<int32_t>{62, 36}));
  EXPECT_EQ((*tokenizer)->Encode("  ", {}).value(), std::vector<int32_t>());
}

}  // namespace
}  // namespace batucada
