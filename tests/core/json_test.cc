#include "base/json.h"

#include <malloc.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/value_from.hpp>

#include "base/nested_json.h"
#include "base/strings.h"
#include "base/write_json.h"

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
  EXPECT_EQ(Refusal(objects(1 << 10, 1 << 7)), "");
  EXPECT_THAT(Refusal(objects((1 << 10) + 1, 1 << 7)), HasSubstr("more than 131072 members"));
  EXPECT_THAT(Refusal(R"({"of": {"an": )" + objects((1 << 10) + 1, 1 << 7) + "}}"),
              HasSubstr("more than 131072 members"));
  constexpr char kTooLarge[] = "too large objects: beyond the first 128 members of each at most 4096 in all";
  EXPECT_EQ(Refusal(objects(1, 4224)), "");
  EXPECT_THAT(Refusal(objects(1, 4225)), HasSubstr(kTooLarge));
  EXPECT_EQ(Refusal(objects(32, 256)), "");
  EXPECT_THAT(Refusal(objects(33, 256)), HasSubstr(kTooLarge));
  EXPECT_THAT(Refusal(objects(1, 700'000)), HasSubstr(kTooLarge));
  EXPECT_TRUE(ParseJsonFile(objects(1, 1 << 17), "a file").ok());
  EXPECT_FALSE(ParseJsonFile(objects(1, (1 << 17) + 1), "a file").ok());
}

// Keys that Boost's hash, FNV-1a and the table's address, puts into the same 4096th of all places where the address is
// 16 bytes behind a page's begin, as that of a block is which the allocator maps: texts of four characters that lead
// the low twelve bits from the first state back to it, two of them in a row.
std::vector<std::string> CollidingKeys(size_t count) {
  constexpr uint64_t kBasis = 0xcbf29ce484222325, kPrime = 0x100000001b3, kMask = 0xfff;
  constexpr uint64_t kBegin = (kBasis + 0x10) & kMask;
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  std::vector<std::vector<std::string>> to(kMask + 1);  // pairs, by the state that they lead to
  const auto after = [](uint64_t state, const std::string& text) {
    for (const char c : text) state = ((state ^ static_cast<uint8_t>(c)) * kPrime) & kMask;
    return state;
  };
  std::vector<std::string> pairs, loops, keys;
  for (const char a : letters) {
    for (const char b : letters) pairs.push_back({a, b});
  }
  for (const std::string& pair : pairs) to[after(kBegin, pair)].push_back(pair);
  for (uint64_t state = 0; state <= kMask; ++state) {
    if (to[state].empty()) continue;
    for (const std::string& pair : pairs) {
      if (after(state, pair) != kBegin) continue;
      for (const std::string& first : to[state]) loops.push_back(first + pair);
    }
  }
  for (const std::string& first : loops) {
    for (const std::string& second : loops) {
      if (keys.size() == count) return keys;
      keys.push_back(first + second);
    }
  }
  return keys;
}

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The time of the processor that a thread takes for n and for 4n, as linear_time_test.cc has it.
TEST(ParseJsonTest, KeysThatCollideTakeTimeInProportion) {
  constexpr size_t kKeys = 31 << 10;  // 4n in 31 buckets, where the hash is known
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  const std::vector<std::string> keys = CollidingKeys(4 * kKeys);
  ASSERT_EQ(keys.size(), 4 * kKeys);
  const auto seconds = [&](size_t count, size_t per_object) {
    std::string text = "[{";
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&text, i == 0 ? "" : i % per_object == 0 ? "},{" : ",", "\"", keys[i], "\":1");
    }
    text += "}]";
    const double begin = ThreadSeconds();
    const auto parsed = ParseJson(text, "the body");
    return ThreadSeconds() - begin;
  };
  for (const size_t per_object : {size_t{17}, size_t{128}, 4 * kKeys}) {
    double once = 0, fourfold = 0;
    for (int attempt = 0; attempt < 3 && (attempt == 0 || fourfold > 6 * once); ++attempt) {
      once = seconds(kKeys, per_object);
      fourfold = seconds(4 * kKeys, per_object);
    }
    constexpr double kTooShort = 5e-3;
    EXPECT_TRUE(fourfold < kTooShort || fourfold <= 6 * once)
        << once << " s for " << kKeys << " keys, " << fourfold << " s for four times as many";
  }
}

TEST(ParseJsonTest, ObjectsMayBeOfManyTokenIds) {
  const auto biases = [](int count, const char* last) {
    std::string text = R"({"sampling_params": {"logit_bias": {)";
    for (int i = 0; i < count; ++i) absl::StrAppend(&text, "\"", 7 * i, "\":1,");
    return text + last + "}}}";
  };
  EXPECT_EQ(Refusal(biases((1 << 17) - 3, R"("999999":1)")), "");
  EXPECT_THAT(Refusal(biases((1 << 17) - 2, R"("999999":1)")), HasSubstr("more than 131072 members"));
  std::string others;
  for (int i = 0; i <= 4096; ++i)
    absl::StrAppend(&others, i == 0 ? "" : ",", "\"", i % 2 == 0 ? "0" : "1000000", i, "\":1");
  EXPECT_THAT(Refusal(biases(1000, others.c_str())), HasSubstr("too large objects"));
}

TEST(ParseJsonTest, ATextThatIsNoJsonIsToldWhy) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"a\": \"x\xFFy\"}", "the byte 0xff, which is no UTF-8 there, at byte 8"},
      {"{\"a\": \"\xC3\"}", "the byte 0xc3, which is no UTF-8 there, at byte 7"},
      {"{\"a\": \"\xED\xA0\x80\"}", "the byte 0xed, which is no UTF-8 there, at byte 7"},
      {"{\"a\": \"\xF4\x90\x80\x80\"}", "the byte 0xf4, which is no UTF-8 there, at byte 7"},
      {"{\"a\": \"\xC0\x80\"}", "the byte 0xc0, which is no UTF-8 there, at byte 7"},
      {"{\"a\xC3(\": 1}", "the byte 0xc3, which is no UTF-8 there, at byte 3"},
      {"{\"a\": \"x\ny\"}", "the control character 0x0a, which a string may have only as an escape, at byte 8"},
      {std::string("{\"a\": \"x\0y\"}", 12), "the control character 0x00, "},
      {R"({"a": "\ud83d"})", "half of a surrogate pair, which is no character without the other, at byte 13"},
      {R"({"a": "\uD83Dx"})", "half of a surrogate pair"},
      {R"({"a": "\ud83d\u0041"})", "half of a surrogate pair"},
      {R"({"a": "\ude00"})", "half of a surrogate pair"},
      {"{\"a\": \"\\\\ud83d\x01\"}", "the control character 0x01"},  // behind a backslash and five letters
      {std::string("\xFF\xFE{\0}\0", 6), "the body is UTF-16: it must be JSON in UTF-8"},
      {"", "the body is empty: it must be JSON"},
      {"{\"a\": \xE2\x80\x9Cx\xE2\x80\x9D}", "not valid JSON: syntax error at byte 6"},
      {"{'a': 1}", "not valid JSON: syntax error at byte 1"},
      {R"({"a": "\\ud83d" x})", "not valid JSON: syntax error at byte 16"},
      {"{\"a\": 1", "not valid JSON: incomplete JSON at byte 7"}};
  for (const auto& [text, why] : cases) EXPECT_THAT(Refusal(text), HasSubstr(why)) << text;
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

TEST(ParseJsonTest, NumbersAreTheNearestThereAre) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), i % 2 == 0 ? "%.17g" : "%.16g", number);
    const auto read = ParseJson(Concat("[", text.data(), "]"), "doc");
    ASSERT_TRUE(read.ok()) << text.data() << ": " << read.status();
    EXPECT_EQ(read->at(0).to_number<double>(), std::strtod(text.data(), nullptr)) << text.data();
  }
  EXPECT_EQ(ParseJson("[1e-400]", "doc")->at(0).to_number<double>(), 0);
  EXPECT_EQ(ParseJson("[1.7976931348623157e308]", "doc")->at(0).to_number<double>(), 1.7976931348623157e308);
  EXPECT_THAT(Refusal("[1e309]"), HasSubstr("too large"));
  // Behind a long list, for which the parser stops in the middle of the document.
  std::string list = "[0";
  for (int i = 0; i < 5000; ++i) list += ",1";
  EXPECT_EQ(ParseJson(Concat("{\"a\": ", list, "], \"b\": 0.1234567890123456}"), "doc")->at("b"), 0.1234567890123456);
}

TEST(PrintableTest, IsUtf8WhateverTheBytes) {
  EXPECT_EQ(Printable("é“\n\""), "é“\\n\\\"");
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("a\xc3"), "a\\xc3");                  // cut short
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half of a surrogate pair
  EXPECT_EQ(Printable(std::string(159, 'a') + "é"), std::string(159, 'a') + "\\xc3…");
}

// As json.dumps(value, separators=(",", ":"), ensure_ascii=False) of Python's writes them.
TEST(WriteJsonTest, AsPythonDoes) {
  for (const char* text :
       {"0.5", "100.0", "1e+22", "1e-05", "0.0001", "1234567890123456.0", "1e+16", "-2.5", "7", "18446744073709551615",
        "{}", "[]", "null", "true", "\"\\u0001\\\"é\"", R"({"a":[1,0.5,{"b":[]}],"c":{},"d":"x"})"}) {
    EXPECT_EQ(WriteJson(*ParseJson(text, "doc")), text);
  }
}

TEST(ParseKeptJsonTest, TheLastOfEqualKeysCounts) {
  EXPECT_EQ(ParseKeptJson(R"({"a": 1, "b": 2, "a": 0.1234567890123456})", "doc")->at("a"), 0.1234567890123456);
  EXPECT_FALSE(ParseKeptJson("{", "doc").ok());
}

TEST(ParseKeptJsonTest, HasAsManyMembersAsItHad) {
  std::string list = "[{}";  // as the log-probabilities of a long answer
  for (int i = 0; i < 50'000; ++i) list += R"(,{"a": 1, "b": 2, "c": 3})";
  EXPECT_TRUE(ParseKeptJson(list + "]", "doc").ok());
  EXPECT_THAT(Refusal(list + "]"), HasSubstr("members"));
  std::string object = R"({"x": 0)";
  for (int i = 0; i < 9'000; ++i) object += Concat(",\"k", i, "\": 1");
  EXPECT_TRUE(ParseKeptJson(object + "}", "doc").ok());
  EXPECT_FALSE(Refusal(object + "}").empty());
}

TEST(JsonObjectTest, IntegersOfAListAreHeldToTheirRange) {
  const auto ints = [](const char* list, IntRange range) {
    absl::Status error;
    const boost::json::value document = {{"ids", boost::json::parse(list)}};
    const auto read = JsonObject(document, "doc: ", &error).Ints("ids", range);
    return error.ok() ? Concat(read.size(), " of them") : std::string(error.message());
  };
  EXPECT_EQ(ints("[2, 5, 3]", {.min = 2, .max = 5}), "3 of them");
  EXPECT_THAT(ints("[2, 6, 3]", {.min = 2, .max = 5}), HasSubstr("ids[1]"));
  EXPECT_THAT(ints("[2, 6, 3]", {.min = 2, .max = 5}), HasSubstr("an integer from 2 to 5"));
  EXPECT_THAT(ints("[2, 5, 1]", {.min = 2, .max = 5}), HasSubstr("ids[2]"));
  EXPECT_THAT(ints("[2, 3.0]", {.min = 2, .max = 5}), HasSubstr("ids[1]"));
}

}  // namespace
}  // namespace batucada
