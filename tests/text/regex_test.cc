// Regular expressions written for Oniguruma, matched by PCRE2.
#include "text/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/text/test_util.h"
#include "text/regex_syntax.h"

namespace batucada {
namespace {

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::Compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status();
  if (!regex.ok()) return {};
  RegexScratch scratch;
  std::vector<Regex::Span> spans;
  const absl::Status status = regex->FindAll(text, &scratch, &spans);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<std::string> matches;
  for (const Regex::Span& span : spans) matches.emplace_back(text.substr(span.begin, span.end - span.begin));
  return matches;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RegexTest, ReadsWhatOnigurumaReadsDifferently) {
  EXPECT_THAT(Matches("\\h+", "beef gravy"), ElementsAre("beef", "a"));     // hexadecimal digits
  EXPECT_THAT(Matches("\\d{1,2}+", "12345"), ElementsAre("12345"));         // repeated, not possessive
  EXPECT_THAT(Matches("a\\d{2}?b", "a12b ab"), ElementsAre("a12b", "ab"));  // optional, not lazy
  EXPECT_THAT(Matches("\\d{1,2}?", "123"), ElementsAre("1", "2", "3"));     // of bounds that differ, lazy
  EXPECT_THAT(Matches("[ab]{,2}c", "aabc"), ElementsAre("abc"));            // from none
  EXPECT_THAT(Matches("a{1", "a{1"), ElementsAre("a{1"));                   // a literal brace
  EXPECT_THAT(Matches("^b", "a\nb"), ElementsAre("b"));                     // lines
  EXPECT_THAT(Matches("a.b", "a\nb"), IsEmpty());
  EXPECT_THAT(Matches("(?m:a.b)", "a\nb"), ElementsAre("a\nb"));  // the dot matches newlines
  EXPECT_THAT(Matches("\\s", "\u180e\u0085"), ElementsAre("\u0085"));
  EXPECT_THAT(Matches("\\S", "\u180e\u0085"), ElementsAre("\u180e"));
  EXPECT_THAT(Matches("[^\\s]", "\u180e\u0085"), ElementsAre("\u180e"));
  EXPECT_THAT(Matches("[\\S]+", "a\u00a0b"), ElementsAre("a", "b"));
  EXPECT_THAT(Matches("\\w+", "e\u0301 ½ a_1-٣"), ElementsAre("e\u0301", "½", "a_1", "٣"));
  EXPECT_THAT(Matches("\\W+", "a-b"), ElementsAre("-"));
  EXPECT_THAT(Matches("\\bn\\b", "n an n\u0301"), ElementsAre("n"));
  EXPECT_THAT(Matches("\\Bn", "n an"), ElementsAre("n"));
  EXPECT_THAT(Matches("\\u4e2d", "中"), ElementsAre("中"));
  EXPECT_THAT(Matches("\\v", "\v\n"), ElementsAre("\v"));
  EXPECT_THAT(Matches("\\p{Han}+", "中文ー。"), ElementsAre("中文"));  // the script, not its extensions
  EXPECT_THAT(Matches("\\p{^L}+", "a1-b"), ElementsAre("1-"));
  EXPECT_THAT(Matches("(?:\\p{N}(x|y)){1,2}+", "1x2y3x"), ElementsAre("1x2y3x"));
  EXPECT_THAT(Matches("(?i:'S)", "'s 'ſ"), ElementsAre("'s", "'ſ"));
}

TEST(RegexTest, EmptyMatchesDoNotTouchTheMatchBefore) {
  EXPECT_THAT(Matches("b*", "abb中"), ElementsAre("", "bb", ""));
  EXPECT_THAT(Matches("(?=中)", "a中中"), ElementsAre("", ""));
}

TEST(RegexTest, RefusesWhatItCannotTranslate) {
  for (const char* pattern :
       {"[a&&b]", "[[:alpha:]]", "[a[b]]", "[]a]", "(a)\\1", "\\Ka", "\\Ga", "\\Xa", "(?<n>a)", "(?u)a", "[\\W]",
        "[\\H]", "[\\b]", "\\p{", "\\pL", "\\p{sc=Han}", "\\u12", "(?~a)", "(?>a)\\k<n>"}) {
    EXPECT_TRUE(absl::IsUnimplemented(Regex::Compile(pattern).status())) << pattern;
  }
  for (const char* pattern : {"(a", "a)", "[a", "*", "\\", "\\p{Nonsense}", "a{99999}", "(?i:a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Regex::Compile(pattern).status()))
        << pattern << Regex::Compile(pattern).status();
  }
}

TEST(RegexTest, LiteralsHaveNoSyntax) {
  const auto regex = Regex::Literal(".*");
  ASSERT_TRUE(regex.ok()) << regex.status();
  RegexScratch scratch;
  std::vector<Regex::Span> spans;
  ASSERT_TRUE(regex->FindAll("a.*.*b", &scratch, &spans).ok());
  ASSERT_EQ(spans.size(), 2);
  EXPECT_EQ(spans[0].begin, 1);
  EXPECT_EQ(spans[1].end, 5);
}

TEST(RegexTest, LongMatchesDoNotNeedAStack) { EXPECT_EQ(Matches("(?:a|b)+", std::string(1 << 16, 'a')).size(), 1); }

}  // namespace
}  // namespace batucada
