#include "server/config/served_names.h"

#include <gtest/gtest.h>

#include "server/common/error.h"

namespace batucada {
namespace {

TEST(MatchesPatternTest, AStarStandsForAnyText) {
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{{"*", ""},
                                                                                      {"*", "a/b"},
                                                                                      {"gpt-*", "gpt-"},
                                                                                      {"gpt-*", "gpt-4o"},
                                                                                      {"*-mini", "a-mini-mini"},
                                                                                      {"a*b*c", "aXbYbZc"},
                                                                                      {"a**c", "abc"},
                                                                                      {"plain", "plain"}}) {
    EXPECT_TRUE(MatchesPattern(pattern, name)) << pattern << " " << name;
  }
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{
           {"", "a"}, {"gpt-*", "gpt"}, {"*-mini", "a-minix"}, {"a*b*c", "acb"}, {"plain", "plainx"}, {"a*", "ba"}}) {
    EXPECT_FALSE(MatchesPattern(pattern, name)) << pattern << " " << name;
  }
}

TEST(MatchesPatternTest, HostilePatternsTakeNoLonger) {
  const std::string name(20'000, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesPattern(pattern + "b", name));
}

TEST(ResolveModelTest, AnswersToNamesAndPatterns) {
  const std::vector<std::string> names = {"first", "gpt-*"};
  EXPECT_EQ(*ResolveModel("", names), "first");
  EXPECT_EQ(*ResolveModel("gpt-4o", names), "gpt-4o");
  EXPECT_EQ(*ResolveModel("tgi", names), "first");
  EXPECT_EQ(*ResolveModel("tgi", {"first", "tgi"}), "tgi");
  const absl::Status missing = ResolveModel("second", names).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorCode(missing), "model_not_found");
  EXPECT_FALSE(ResolveModel("gpt-" + std::string(kMaxModelNameBytes, 'x'), names).ok()) << "it would be repeated";
}

}  // namespace
}  // namespace batucada
