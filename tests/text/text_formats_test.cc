// What a text may be that is to be of a format.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/text/grammar_fixture.h"

namespace batucada {
namespace {

TEST_F(GrammarTest, DatesAreThoseOfTheCalendar) {
  const auto date = Make(GrammarSpec::Kind::kJsonSchema, R"({"type":"string","format":"date"})");
  for (const char* day : {"2023-01-31", "2023-02-28", "2024-02-29", "2000-02-29", "2023-04-30", "2023-06-30",
                          "2023-09-30", "2023-11-30", "2023-12-31"}) {
    EXPECT_TRUE(Takes(date, absl::StrCat("\"", day, "\""))) << day;
  }
  for (const char* day : {"2023-02-29", "2100-02-29", "1900-02-29", "2024-02-30", "2023-04-31", "2023-06-31",
                          "2023-09-31", "2023-11-31", "2023-12-32", "2023-13-01", "2023-00-10", "2023-01-00"}) {
    EXPECT_FALSE(Takes(date, absl::StrCat("\"", day, "\""))) << day;
  }
}

// One compiler makes them all, and makes none twice.
TEST_F(GrammarTest, GrammarsThatAreSpelledAlikeAreTheirOwn) {
  const auto expression = Make(GrammarSpec::Kind::kRegex, "true");
  const auto schema = Make(GrammarSpec::Kind::kJsonSchema, "true");
  EXPECT_TRUE(Takes(expression, "true"));
  EXPECT_FALSE(Takes(expression, "1"));
  EXPECT_TRUE(Takes(schema, "1"));
  for (const auto& choices : std::vector<std::vector<std::string>>{{"a", "b"}, {"a:b"}, {"a0:b"}, {"a1:b"}, {"1:a"}}) {
    const auto grammar = Make(GrammarSpec::Kind::kChoice, "", choices);
    for (const char* text : {"a", "b", "a:b", "a0:b", "a1:b", "1:a"}) {
      EXPECT_EQ(Takes(grammar, text), std::find(choices.begin(), choices.end(), text) != choices.end()) << text;
    }
  }
}

}  // namespace
}  // namespace batucada
