#include "server/json/json_writer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "server/http/document.h"

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

TEST(JsonWriterTest, WhatNeedsAnEscapeIsFoundWhereverItStands) {
  for (size_t size = 1; size < 36; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (const char c : {'"', '\\', '\x1f', '\0', ' ', '!', '#', '[', ']', '\x7f'}) {
        std::string text(size, 'a');
        text[at] = c;
        std::string out;
        JsonWriter(&out).String(text);
        EXPECT_EQ(std::string(boost::json::parse(out).as_string()), text) << out;
      }
    }
  }
}

TEST(JsonWriterTest, GoesOnFromWhatAnotherBegan) {
  std::string begun, out;
  JsonWriter(&begun).BeginObject().Key("a").Int(1).Key("b").BeginArray();
  JsonWriter json(&out);
  json.Begin(begun).Int(2).Int(3).EndArray().Key("c").Null().EndObject();
  EXPECT_EQ(out, R"({"a":1,"b":[2,3],"c":null})");
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

TEST(JsonWriterTest, ALongTextIsWrittenInPiecesThatAddUp) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += i % 7 == 0 ? "\"\n" : "é";
  std::string piece, whole;
  JsonWriter json(&piece);
  json.BeginArray();
  Pieces pieces = json.LongString(text);
  size_t longest = 0, count = 0;
  for (bool more = true; more;) {
    more = pieces.Next();
    longest = std::max(longest, piece.size());
    ++count;
    whole += piece;
    piece.clear();
  }
  json.EndArray();
  whole += piece;
  EXPECT_EQ(std::string(boost::json::parse(whole).as_array()[0].as_string()), text);
  EXPECT_GT(count, 3u);
  EXPECT_LT(longest, 64u << 10);
}

TEST(PiecesTest, AnExceptionComesOutOfNext) {
  const auto write = [](bool fails) -> Pieces {
    co_yield nullptr;
    if (fails) throw std::bad_alloc();
  };
  Pieces pieces = write(true);
  EXPECT_TRUE(pieces.Next());
  EXPECT_THROW(pieces.Next(), std::bad_alloc);
  EXPECT_FALSE(pieces.Next());
}

TEST(DocumentTest, ComesInPiecesThatAreOneDocument) {
  Document document([](JsonWriter& json) -> Pieces {
    json.BeginArray();
    for (int i = 0; i < 50'000; ++i) {
      json.Int(i);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
  });
  std::string whole;
  size_t count = 0;
  for (auto progress = LiveAnswer::Progress::kMore; progress == LiveAnswer::Progress::kMore; ++count) {
    std::string body;
    progress = document.Advance(&body);
    EXPECT_LT(body.size(), 64u << 10);
    whole += body;
  }
  EXPECT_GT(count, 3u);
  EXPECT_EQ(boost::json::parse(whole).as_array().size(), 50'000u);
}

}  // namespace
}  // namespace batucada
