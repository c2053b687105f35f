#include "loadtest/client/token_stream.h"

#include <string>

#include <gtest/gtest.h>

#include "loadtest/client/event_scan.h"

namespace batucada::loadtest {
namespace {

TimePoint At(int ms) { return TimePoint(std::chrono::milliseconds(ms)); }

std::string Event(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }

TEST(ScanEvent, SeesTextWhereThereIsSome) {
  EXPECT_TRUE(ScanEvent(R"({"choices":[{"text":"a"}]})").has_text);
  EXPECT_TRUE(ScanEvent(R"({"choices": [{"delta": {"content" : "a"}}]})").has_text);
  EXPECT_TRUE(ScanEvent(R"({"choices":[{"text":"\""}]})").has_text);
  EXPECT_TRUE(ScanEvent(R"({"choices":[{"delta":{"reasoning_content":"a"}}]})").has_text);
  EXPECT_FALSE(ScanEvent(R"({"choices":[{"text":""}]})").has_text);
  EXPECT_FALSE(ScanEvent(R"({"choices":[{"delta":{"role":"assistant","content":null}}]})").has_text);
  EXPECT_FALSE(ScanEvent(R"({"model":"text","object":"content"})").has_text);
}

TEST(ScanEvent, SeesWhatMustBeParsed) {
  EXPECT_FALSE(ScanEvent(R"({"choices":[{"text":"a","finish_reason":null}],"usage":null})").needs_parse);
  EXPECT_TRUE(ScanEvent(R"({"choices":[{"text":"a","finish_reason":"stop"}]})").needs_parse);
  EXPECT_TRUE(ScanEvent(R"({"choices":[],"usage": {"prompt_tokens":1}})").needs_parse);
  EXPECT_TRUE(ScanEvent(R"({"error":{"message":"no"}})").needs_parse);
  // Names inside a text are text.
  EXPECT_FALSE(ScanEvent(R"({"choices":[{"text":"\"error\":{\"usage\":{"}]})").needs_parse);
  EXPECT_FALSE(ScanEvent(R"({"choices":[{"text":"\\"},{"x":"\"finish_reason\":\"stop\""}]})").needs_parse);
}

TEST(ScanEvent, BearsAnything) {
  for (const char* json : {"", "\"", "{\"", "{\"text", "{\"text\"", "{\"text\":", "{\"text\":\"", "\\\"\\", "[DONE]"}) {
    ScanEvent(json);
    EXPECT_FALSE(ScanEvent(json).has_text) << json;
  }
}

TEST(TokenStream, MeasuresFromTheFirstTextThatIsNotEmpty) {
  Histogram inter_token;
  TokenStream stream(inter_token, KeepText::kYes);
  stream.Feed(Event(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})"), At(10));
  EXPECT_EQ(stream.text_events(), 0);
  stream.Feed(Event(R"({"choices":[{"delta":{"content":"Hi "}}]})"), At(30));
  stream.Feed(Event(R"({"choices":[{"delta":{"content":"you"}}]})"), At(35));
  stream.Feed(Event(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})"), At(50));
  EXPECT_FALSE(stream.done());
  stream.Feed(Event(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}})") + Event("[DONE]"), At(51));
  EXPECT_TRUE(stream.done());
  EXPECT_EQ(stream.first_text(), At(30));
  EXPECT_EQ(stream.last_text(), At(35));
  EXPECT_EQ(stream.text_events(), 2);
  EXPECT_EQ(stream.text(), "Hi you");
  EXPECT_EQ(stream.finish_reason(), "stop");
  ASSERT_TRUE(stream.usage());
  EXPECT_EQ(stream.usage()->prompt_tokens, 7);
  EXPECT_EQ(stream.usage()->completion_tokens, 2);
  EXPECT_EQ(inter_token.count(), 1);
  EXPECT_EQ(inter_token.max(), std::chrono::milliseconds(5));
}

TEST(TokenStream, ReportsErrorsAndNonsense) {
  Histogram unused;
  TokenStream failed(unused, KeepText::kNo);
  failed.Feed(Event(R"({"error":{"message":"out of luck","type":"server_error"}})"), At(1));
  EXPECT_EQ(failed.error(), "out of luck");
  TokenStream odd(unused, KeepText::kNo);
  odd.Feed(Event(R"({"error":"plain"})"), At(1));
  EXPECT_NE(odd.error(), "");
  TokenStream broken(unused, KeepText::kNo);
  broken.Feed(Event(R"({"usage":{"prompt_tokens":)"), At(1));
  EXPECT_NE(broken.malformed(), "");
  TokenStream wrong_types(unused, KeepText::kYes);
  wrong_types.Feed(Event(R"({"usage":{"prompt_tokens":"x"},"choices":{"text":"a"}})"), At(1));
  EXPECT_EQ(wrong_types.usage()->prompt_tokens, 0);
}

TEST(TokenStream, BoundsAnEventThatNeverEnds) {
  Histogram unused;
  TokenStream stream(unused, KeepText::kNo);
  const std::string piece(1 << 20, 'a');
  stream.Feed("data: ", At(1));
  for (int i = 0; i < 20; ++i) stream.Feed(piece, At(2));
  EXPECT_NE(stream.malformed(), "");
}

}  // namespace
}  // namespace batucada::loadtest
