#include "server/json/request_reader.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace batucada {
namespace {

namespace bj = boost::json;

TEST(AsIntegerTest, WholeNumbersAreIntegers) {
  EXPECT_EQ(AsInteger(7), 7);
  EXPECT_EQ(AsInteger(uint64_t{7}), 7);
  EXPECT_EQ(AsInteger(16.0), 16);
  EXPECT_EQ(AsInteger(-0x1.fffffffffffffp62), INT64_MIN + 1024);
  EXPECT_EQ(AsInteger(INT64_MIN), INT64_MIN);
  for (const bj::value& other :
       {bj::value(16.5), bj::value(0x1p63), bj::value(-0x1p63), bj::value(NAN), bj::value(INFINITY),
        bj::value(UINT64_MAX), bj::value("7"), bj::value(true), bj::value(nullptr)}) {
    EXPECT_FALSE(AsInteger(other)) << other;
  }
}

TEST(TypingTest, StringsStandForNumbersOnlyWhereTheyMay) {
  EXPECT_EQ(AsInteger(bj::value("7"), Typing::kLenient), 7);
  EXPECT_EQ(AsNumber(bj::value("0.5"), Typing::kLenient), 0.5);
  EXPECT_EQ(AsBoolean(bj::value("True"), Typing::kLenient), true);
  EXPECT_EQ(AsBoolean(bj::value("true"), Typing::kLenient), true);
  EXPECT_EQ(AsBoolean(bj::value("false"), Typing::kLenient), false);
  EXPECT_EQ(AsBoolean(bj::value("False"), Typing::kLenient), false);
  EXPECT_FALSE(AsNumber(bj::value("0x1p-3"), Typing::kLenient) || AsNumber(bj::value("0X1"), Typing::kLenient));
  EXPECT_FALSE(AsInteger(bj::value("7.5"), Typing::kLenient) || AsNumber(bj::value(""), Typing::kLenient) ||
               AsBoolean(bj::value("TRUE"), Typing::kLenient) || AsBoolean(1, Typing::kLenient));
  EXPECT_FALSE(AsInteger(bj::value("7")) || AsNumber(bj::value("0.5")) || AsBoolean(bj::value("true")));
}

TEST(RequestReaderTest, IntegersBeyond64BitsAreToldOnWhichSide) {
  const std::pair<const char*, const char*> cases[] = {
      {"9223372036854775808", "seed is 9223372036854775808: too large for a 64-bit integer"},
      {"18446744073709551616", "seed is 1.8446744073709552e+19: too large for a 64-bit integer"},
      {"-9223372036854775809", "seed is -9.223372036854776e+18: too small for a 64-bit integer"},
      {"0.5", "seed must be an integer, not the number 0.5"}};
  for (const auto& [text, message] : cases) {
    const bj::object object = {{"seed", bj::parse(text)}};
    RequestReader reader(object, "");
    std::optional<int64_t> seed;
    reader.Read("seed", &seed);
    EXPECT_EQ(std::string(reader.status().message()), message);
  }
  const bj::object least = {{"seed", bj::parse("-9223372036854775808")}};
  RequestReader reader(least, "");
  std::optional<int64_t> seed;
  reader.Read("seed", &seed);
  EXPECT_EQ(seed, INT64_MIN);
}

TEST(RequestReaderTest, OneIsAListOnlyWhereItMayBe) {
  const bj::object object = {{"ids", 5}, {"words", "x"}};
  for (const Typing typing : {Typing::kStrict, Typing::kLenient}) {
    RequestReader reader(object, "", typing);
    std::vector<int64_t> ids;
    std::vector<std::string> words;
    reader.Read("ids", &ids);
    reader.Read("words", &words);
    const bool lenient = typing == Typing::kLenient;
    EXPECT_EQ(reader.ok(), lenient);
    EXPECT_EQ(ids, lenient ? std::vector<int64_t>{5} : std::vector<int64_t>());
    EXPECT_EQ(words, lenient ? std::vector<std::string>{"x"} : std::vector<std::string>());
  }
}

TEST(RequestReaderTest, HarmlessNumbersAreEqualHoweverTheyAreWritten) {
  const bj::object object = {{"one", 1.0}, {"no", "false"}};
  RequestReader reader(object, "");
  reader.Refuse("one", {1});
  EXPECT_TRUE(reader.ok());
  reader.Refuse("no", {false});
  EXPECT_FALSE(reader.ok());
  RequestReader lenient(object, "", Typing::kLenient);
  lenient.Refuse("no", {false});
  EXPECT_TRUE(lenient.ok());
}

TEST(RequestReaderTest, AValueIsShownAsTheClientWroteIt) {
  const boost::json::object object = {{"samplers", {"top_k", "a\\b\n"}}};
  RequestReader reader(object, "");
  reader.Refuse("samplers", {});
  EXPECT_THAT(std::string(reader.status().message()), ::testing::HasSubstr(R"(samplers is ["top_k","a\\b\n"], which)"));
}

TEST(DescribeJsonTest, NumbersArePlain) {
  EXPECT_EQ(DescribeJson(16.5), "the number 16.5");
  EXPECT_EQ(DescribeJson(16.0), "the number 16");
  EXPECT_EQ(DescribeJson(-3), "the number -3");
}

}  // namespace
}  // namespace batucada
