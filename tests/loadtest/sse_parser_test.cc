#include "loadtest/client/sse_parser.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace batucada::loadtest {
namespace {

std::vector<std::string> Parse(const std::vector<std::string_view>& pieces) {
  SseParser parser;
  std::vector<std::string> events;
  for (const std::string_view piece : pieces) {
    // A copy that is gone afterwards: a view kept too long would be seen.
    const std::string bytes(piece);
    parser.Feed(bytes, [&](std::string_view data) { events.emplace_back(data); });
  }
  return events;
}

struct Case {
  std::string_view stream;
  std::vector<std::string> events;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      {"data: one\n\ndata: two\n\n", {"one", "two"}},
      {"data: one\r\n\r\ndata: two\r\n\r\n", {"one", "two"}},
      {"data: one\r\rdata: two\r\r", {"one", "two"}},
      {"data: first line\ndata: second\n\n", {"first line\nsecond"}},
      {": a comment\n\ndata:no space\n\n", {"no space"}},
      {"event: x\nid: 7\nretry: 10\ndata:  two spaces\n\n", {" two spaces"}},
      {"data\n\ndata:\n\ndata: \n\n", {"", "", ""}},
      {"data:\ndata: a\ndata:\n\n", {"\na\n"}},
      {"database: no\ndata: yes\n\n", {"yes"}},
      {"data: never ended\n", {}},
      {"\n\n\ndata: [DONE]\n\n", {"[DONE]"}},
      {"data: {\"text\": \"caf\xc3\xa9\"}\n\n", {"{\"text\": \"caf\xc3\xa9\"}"}},
  };
  return kCases;
}

TEST(SseParser, ReadsWholeStreams) {
  for (const Case& c : Cases()) EXPECT_EQ(Parse({c.stream}), c.events) << c.stream;
}

TEST(SseParser, ReadsEveryCutInTwo) {
  for (const Case& c : Cases()) {
    for (size_t cut = 0; cut <= c.stream.size(); ++cut) {
      EXPECT_EQ(Parse({c.stream.substr(0, cut), c.stream.substr(cut)}), c.events) << c.stream << " cut at " << cut;
    }
  }
}

TEST(SseParser, ReadsEveryCutInThree) {
  for (const Case& c : Cases()) {
    for (size_t first = 0; first <= c.stream.size(); ++first) {
      for (size_t second = first; second <= c.stream.size(); ++second) {
        EXPECT_EQ(Parse({c.stream.substr(0, first), c.stream.substr(first, second - first), c.stream.substr(second)}),
                  c.events);
      }
    }
  }
}

TEST(SseParser, ReadsByteByByte) {
  for (const Case& c : Cases()) {
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < c.stream.size(); ++i) bytes.push_back(c.stream.substr(i, 1));
    EXPECT_EQ(Parse(bytes), c.events) << c.stream;
  }
}

// A '\r' at the end of a piece may or may not be followed by its '\n'.
TEST(SseParser, CarriageReturnAtTheEndOfAPiece) {
  EXPECT_EQ(Parse({"data: a\r", "\n\r", "\ndata: b\r", "\r"}), (std::vector<std::string>{"a", "b"}));
}

TEST(SseParser, SaysWhatItHolds) {
  SseParser parser;
  const auto ignore = [](std::string_view) {};
  parser.Feed("data: 1234", ignore);
  EXPECT_EQ(parser.held_bytes(), 10);
  parser.Feed("5678\n", ignore);
  EXPECT_EQ(parser.held_bytes(), 8);
  parser.Feed("\n", ignore);
  EXPECT_EQ(parser.held_bytes(), 0);
}

}  // namespace
}  // namespace batucada::loadtest
