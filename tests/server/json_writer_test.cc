#include "server/json_writer.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace batucada {
namespace {

TEST(JsonWriterTest, PutsCommasWhereTheyBelong) {
  std::string out;
  JsonWriter json(&out);
  json.BeginObject().Key("a").Int(-1).Key("b").BeginArray().Null().Bool(true).BeginObject().EndObject().EndArray();
  json.Key("c").BeginArray().EndArray().Key("d").String("x").EndObject();
  EXPECT_EQ(out, R"({"a":-1,"b":[null,true,{}],"c":[],"d":"x"})");
}

TEST(JsonWriterTest, EveryByteSurvives) {
  std::string text = "é\xF0\x9F\xA5\x81\"\\/";
  for (char c = 1; c < 0x7f; ++c) text += c;
  text.push_back('\0');
  std::string out;
  JsonWriter(&out).String(text);
  const boost::json::value parsed = boost::json::parse(out);
  EXPECT_EQ(std::string(parsed.as_string()), text);
  EXPECT_EQ(out.find('\n'), std::string::npos) << "an event of a stream is one line";
}

TEST(JsonWriterTest, NumbersReadBackTheSame) {
  for (const float value : {0.0F, -0.1F, 1e-30F, -12.345678F, std::numeric_limits<float>::lowest()}) {
    std::string out;
    JsonWriter(&out).Number(value);
    EXPECT_EQ(boost::json::parse(out).to_number<float>(), value) << out;
  }
}

TEST(JsonWriterTest, WhatIsNotFiniteIsStillJson) {
  std::string out;
  JsonWriter(&out).BeginArray().Number(-INFINITY).Number(NAN).EndArray();
  EXPECT_EQ(out, "[-9999,-9999]");
}

}  // namespace
}  // namespace batucada
