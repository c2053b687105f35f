// Added tokens of every flag, beside each other and beside whitespace, as tokenizers finds them (make_added_tokens.py).
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

TEST(AddedTokensTest, AreWhereTheReferenceFindsThem) {
  const boost::json::value golden = boost::json::parse(ReadFileOrDie("tests/text/fixtures/added_tokens.json"));
  int compared = 0;
  for (const boost::json::value& set : golden.at("sets").as_array()) {
    const std::string fixture(set.at("fixture").as_string());
    boost::json::value file = boost::json::parse(ReadFileOrDie("tests/text/fixtures/" + fixture + "/tokenizer.json"));
    file.as_object()["added_tokens"] = set.at("added_tokens");
    file.as_object()["post_processor"] = nullptr;
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / ("added_tokens_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "tokenizer.json", std::ios::binary) << boost::json::serialize(file);
    const auto tokenizer = Tokenizer::Load(folder.string());
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    for (const boost::json::value& item : set.at("cases").as_array()) {
      const std::string text(item.at(0).as_string());
      EXPECT_EQ((*tokenizer)->Encode(text, {}).value(), boost::json::value_to<std::vector<int32_t>>(item.at(1)))
          << fixture << ": " << boost::json::serialize(item.at(0));
      ++compared;
    }
  }
  EXPECT_EQ(compared, 600);
}

}  // namespace
}  // namespace batucada
