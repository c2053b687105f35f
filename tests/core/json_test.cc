#include "base/json.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace batucada {
namespace {

using testing::HasSubstr;

std::string Refusal(const std::string& text) {
  const auto parsed = ParseJson(text, "the body");
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

std::string Nested(int levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(ParseJsonTest, WhatIsTooDeepIsToldTheLimit) {
  EXPECT_EQ(Refusal(Nested(32)), "");
  EXPECT_THAT(Refusal(Nested(33)), HasSubstr("the body nests deeper than 32 levels"));
  EXPECT_THAT(Refusal(Nested(1'000'000)), HasSubstr("32 levels"));
}

TEST(ParseJsonTest, MembersHaveABoundWhereverTheyAre) {
  const auto objects = [](int count, int members) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) {
      text += i == 0 ? "{" : ",{";
      for (int j = 0; j < members; ++j) absl::StrAppend(&text, j == 0 ? "" : ",", "\"m", j, "\":1");
      text += "}";
    }
    return text + "]";
  };
  EXPECT_EQ(Refusal(objects(1 << 9, 1 << 8)), "");
  EXPECT_THAT(Refusal(objects((1 << 9) + 1, 1 << 8)), HasSubstr("more than 131072 members"));
  EXPECT_THAT(Refusal(objects(1, 700'000)), HasSubstr("more than 131072 members"));
}

TEST(ParseJsonTest, NumbersAreNumbers) {
  EXPECT_EQ(Refusal("[1e308, -0, 0.0, 18446744073709551616, 1e-400]"), "");
  for (const char* text : {"[1e400]", "{\"a\": -1e400}", "[1e999999999]"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("a number that is too large")) << text;
  }
  for (const char* text : {"[NaN]", "[Infinity]", "[+1]", "[01]", "[.5]", "[1.]", "[0x1]"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("is not valid JSON")) << text;
  }
}

TEST(ParseJsonTest, EqualKeysAreRefused) {
  EXPECT_THAT(Refusal(R"({"a": 1, "b": {"a": 2, "\u0061": 3}})"), HasSubstr("has the key \"a\" twice in one object"));
}

}  // namespace
}  // namespace batucada
