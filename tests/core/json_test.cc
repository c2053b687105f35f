#include "base/json.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/value_from.hpp>

#include "base/strings.h"

namespace batucada {
namespace {

using testing::HasSubstr;

std::string Refusal(const std::string& text) {
  const auto parsed = ParseJson(text, "the body");
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

std::string Nested(int levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(ParseJsonTest, NothingStandsBehindADocument) {
  EXPECT_THAT(Refusal("{} {}"), HasSubstr("the body has text after its JSON document, at byte 3"));
  EXPECT_EQ(Refusal("{} \n"), "");
}

TEST(ParseJsonTest, WhatIsTooDeepIsToldTheLimit) {
  EXPECT_EQ(Refusal(Nested(32)), "");
  EXPECT_THAT(Refusal(Nested(33)), HasSubstr("the body nests deeper than 32 levels"));
  EXPECT_THAT(Refusal(Nested(1'000'000)), HasSubstr("32 levels"));
}

// A list of `count` numbers as clients write them, or as they should not.
std::string List(int count, std::mt19937& random) {
  const auto any = [&](auto... choices) {
    const std::vector<std::string> all = {choices...};
    return all[random() % all.size()];
  };
  constexpr uint64_t kMost[] = {10, 1'000, 50'304, 10'000'000, 1'000'000'000};
  const uint64_t most = kMost[random() % std::size(kMost)];
  const std::string separator = any(",", ", ", ",\n  ", "any");
  const int odd = random() % 4 == 0 ? static_cast<int>(random() % static_cast<uint32_t>(count + 1)) : -1;
  std::string text = "[";
  for (int i = 0; i < count; ++i) {
    const bool other = separator == "any" || i == odd;
    absl::StrAppend(&text, i == 0 ? "" : other ? any(",", ", ", " ,\n", ",\t") : separator, random() % most);
    if (i == odd) text += any("", "", "", " ", "123456789", ",0", ",007", ".5", "e1", "x", ",", "]", "\"");
  }
  if (random() % 2 == 0) return text + "]";
  return text + any(",]", ", ]", "", "}", ",1.5]", ",-3]", ",01]", ",1234567890123]", ",\"a\"]", " 7]", ",[1,2]]",
                    ",,1]", "]]");
}

// What was read apart, put back where it was.
boost::json::value Whole(boost::json::value document, ListsApart apart) {
  for (auto& [name, ids] : apart.lists) {
    EXPECT_GE(ids.size(), 256);
    EXPECT_EQ(document.at(name), boost::json::array());
    document.as_object()[name] = boost::json::value_from(ids);
  }
  return document;
}

TEST(ParseJsonTest, LongListsOfNumbersAreWhatTheParserReads) {
  std::mt19937 random(1);
  int good = 0, bad = 0, apart_at_all = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    const int lists = 1 + static_cast<int>(random() % 3);
    for (int j = 0; j < lists; ++j) {
      absl::StrAppend(&text, j == 0 ? "" : ", ", R"("[1,2,\"[)", j, R"(": )", random() % 4 == 0 ? "[" : "",
                      List(static_cast<int>(random() % 1500), random));
      if (random() % 8 != 0 && text.find(": [[") != std::string::npos) text += "]";
    }
    text = random() % 16 == 0 ? text : absl::StrCat("{", text, "}");
    boost::json::error_code error;
    const boost::json::value expected = boost::json::parse(text, error);
    const auto parsed = ParseJson(text, "the body");
    ASSERT_EQ(parsed.ok(), !error) << text << parsed.status();
    ListsApart apart{.names = {R"([1,2,"[0)", R"([1,2,"[2)", "other"}, .lists = {}};
    const auto parted = ParseJson(text, "the body", &apart);
    ASSERT_EQ(parted.ok(), parsed.ok()) << text << parted.status();
    if (parsed.ok()) {
      ASSERT_EQ(*parsed, expected) << text;
      apart_at_all += static_cast<int>(apart.lists.size());
      ASSERT_EQ(Whole(*parted, std::move(apart)), expected) << text;
    }
    ++(parsed.ok() ? good : bad);
  }
  EXPECT_GT(apart_at_all, 100);
  EXPECT_GT(good, 200);
  EXPECT_GT(bad, 200);
}

TEST(ParseJsonTest, OnlyTheDocumentsOwnMembersAreReadApart) {
  std::string list = "[0";
  for (int i = 1; i < 2000; ++i) absl::StrAppend(&list, ", ", i);
  list += "]";
  const auto found = [&](const std::string& text) {
    ListsApart apart{.names = {"ids"}, .lists = {}};
    EXPECT_TRUE(ParseJson(text, "the body", &apart).ok()) << text;
    return apart.lists.contains("ids");
  };
  EXPECT_TRUE(found(absl::StrCat(R"({"a": {"b": [1]}, "ids": )", list, "}")));
  EXPECT_FALSE(found(absl::StrCat(R"({"a": {"ids": )", list, "}}"))) << "in an object of it";
  EXPECT_FALSE(found(absl::StrCat(R"({"ids": [)", list, "]}"))) << "in a list";
  EXPECT_FALSE(found(absl::StrCat(R"([{"ids": )", list, "}]"))) << "in a document that is a list";
  EXPECT_FALSE(found(absl::StrCat(R"({"ids": 1, "a": )", list, "}"))) << "of another name";
  EXPECT_FALSE(found(absl::StrCat(R"({"ids": [1, 2], "a": [[)", list, "]]}")));
}

TEST(ParseJsonTest, WhatFollowsALongListIsToldItsPlace) {
  std::string list = "[0";
  for (int i = 1; i < 2000; ++i) absl::StrAppend(&list, ",", i);
  list += "]";
  EXPECT_EQ(Refusal(list), "");
  EXPECT_THAT(Refusal(list + "x"), HasSubstr(absl::StrCat("text after its JSON document, at byte ", list.size())));
  EXPECT_THAT(Refusal("[" + list + ", x]"), HasSubstr(absl::StrCat("at byte ", list.size() + 3)));
  EXPECT_THAT(Refusal("1 " + list), HasSubstr("text after its JSON document"));
  EXPECT_THAT(Refusal("{\"a\": " + list + ", \"a\": 1}"), HasSubstr("the key \"a\" twice"));
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
  EXPECT_THAT(Refusal(R"({"of": {"an": )" + objects((1 << 9) + 1, 1 << 8) + "}}"),
              HasSubstr("more than 131072 members"));
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

TEST(ParseJsonTest, EqualKeysAreFoundAmongFewAndMany) {
  const auto member = [](int i) { return Concat("\"k", i, "\": {\"k0\": 1, \"k", i + 1, "\": 2}"); };
  for (const int count : {1, 2, 15, 16, 17, 18, 100}) {
    std::string object = "{";
    for (int i = 0; i < count; ++i) object += member(i + 1) + ", ";
    EXPECT_TRUE(ParseJson(object + member(count + 1) + "}", "doc").ok()) << count;
    for (const int again : {1, (count + 1) / 2, count}) {
      EXPECT_THAT(Refusal(object + member(again) + "}"), HasSubstr(Concat("has the key \"k", again, "\" twice")));
    }
  }
}

}  // namespace
}  // namespace batucada
