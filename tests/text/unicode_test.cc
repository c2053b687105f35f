// Normal forms against Python's unicodedata (make_fixtures.py).
#include "text/unicode.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "tests/text/test_util.h"

namespace batucada {
namespace {

TEST(NormalizedTest, EqualsPython) {
  const boost::json::value golden = boost::json::parse(ReadFileOrDie("tests/text/fixtures/normal_forms.json"));
  ASSERT_GT(golden.at("cases").as_array().size(), 200);
  for (const boost::json::value& item : golden.at("cases").as_array()) {
    const auto text = boost::json::value_to<std::vector<std::string>>(item);
    ASSERT_EQ(text.size(), 5);
    EXPECT_EQ(Normalized(text[0], NormalForm::kNfc), text[1]) << boost::json::serialize(item);
    EXPECT_EQ(Normalized(text[0], NormalForm::kNfd), text[2]) << boost::json::serialize(item);
    EXPECT_EQ(Normalized(text[0], NormalForm::kNfkc), text[3]) << boost::json::serialize(item);
    EXPECT_EQ(Normalized(text[0], NormalForm::kNfkd), text[4]) << boost::json::serialize(item);
  }
}

TEST(NormalizedTest, IsDoneOnceAndForAll) {
  std::mt19937 random(6);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = RandomText(40, &random);
    for (const NormalForm form : {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
      const std::string once = Normalized(text, form);
      ASSERT_EQ(Normalized(once, form), once);
    }
    ASSERT_EQ(Normalized(Normalized(text, NormalForm::kNfd), NormalForm::kNfc), Normalized(text, NormalForm::kNfc));
  }
}

}  // namespace
}  // namespace batucada
