// Every shape of a request that can be thought of, over real sockets: what is answered, and whether the connection goes
// on behind it. A GET follows each shape at once, so that a body taken for a request, or the reverse, shows.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "server/http/framing.h"
#include "server/http/http_server.h"
#include "tests/server/http/framing_shapes.h"
#include "tests/server/raw_client.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

constexpr char kBehind[] = "GET /behind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
constexpr char kSign[] = "the request behind was run";

enum class Delivery { kAtOnce, kByteByByte };

class FramingTest : public ::testing::TestWithParam<Delivery> {
 protected:
  FramingTest() {
    router_.Add({"GET", "/hello", "hello", [](const HttpRequest&) -> Answer { return TextResponse("hi"); }});
    router_.Add({"GET", "/behind", "behind", [](const HttpRequest&) -> Answer { return TextResponse(kSign); }});
    router_.Add(
        {"POST", "/echo", "echo", [](const HttpRequest& request) -> Answer { return TextResponse(request.body); }});
    const HttpLimits limits = {.max_body_bytes = 4096, .max_header_bytes = 1024, .read_timeout = absl::Seconds(30)};
    auto server =
        HttpServer::Start({.host = "127.0.0.1", .port = 0, .limits = limits}, router_, gate_, door_, metrics_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::string Exchange(const std::string& bytes) {
    RawClient client(server_->port());
    if (GetParam() == Delivery::kAtOnce) {
      client.Send(bytes);
    } else {
      for (const char& byte : bytes) {
        if (!client.Send({&byte, 1})) break;
      }
    }
    return client.ReadToEnd();
  }

  void Hold(const std::vector<Shape>& shapes) {
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(shape.name);
      const std::string answers = Exchange(shape.bytes + kBehind);
      EXPECT_EQ(Outcome(answers), shape.want) << answers;
      EXPECT_THAT(answers, HasSubstr(shape.body));
      const bool ends = !absl::StrContains(shape.want, '+');
      EXPECT_THAT(answers, HasSubstr(ends ? "\r\nconnection: close\r\n" : "\r\nconnection: keep-alive\r\n"));
    }
  }

  // "200 404 +" as in Shape. Bodies are passed over by their lengths: they end anyhow, and one is an echo.
  static std::string Outcome(const std::string& answers) {
    std::vector<std::string> statuses;
    constexpr std::string_view kStart = "HTTP/1.1 ";
    size_t at = 0;
    while (answers.compare(at, kStart.size(), kStart) == 0) {
      statuses.push_back(answers.substr(at + kStart.size(), 3));
      const size_t head_end = answers.find("\r\n\r\n", at);
      if (head_end == answers.npos) break;
      const std::string head = answers.substr(at, head_end + 2 - at);
      at = head_end + 4;
      constexpr std::string_view kLength = "\r\ncontent-length: ";
      const size_t length_at = head.find(kLength);
      if (length_at == head.npos) continue;
      const size_t length = std::stoul(head.substr(length_at + kLength.size()));
      // The answer to HEAD tells of a body that is not there.
      if (answers.compare(at, kStart.size(), kStart) != 0) at = std::min(at + length, answers.size());
    }
    if (answers.ends_with(kSign)) statuses.back() = "+";
    return absl::StrJoin(statuses, " ");
  }

  Metrics metrics_;
  Router router_;
  Gate gate_;
  IoPool pool_{2};
  Door door_{pool_};
  std::unique_ptr<HttpServer> server_;
};

TEST_P(FramingTest, StartLines) { Hold(StartLineShapes()); }
TEST_P(FramingTest, Headers) { Hold(HeaderShapes()); }
TEST_P(FramingTest, ContentLengths) { Hold(LengthShapes()); }
TEST_P(FramingTest, Codings) { Hold(CodingShapes()); }
TEST_P(FramingTest, Chunks) { Hold(ChunkShapes()); }
TEST_P(FramingTest, Connections) { Hold(ConnectionShapes()); }

// What stands behind a body may be what the parser waits for: here there is nothing.
TEST_P(FramingTest, ABareLineFeedIsAFaultWithNothingBehindIt) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* body : {"0\n\n", "3\r\nabc\r\n0\n\n", "3\r\nabc\r\n0\r\n\n", "0\r\nA: b\n\r\n", "0;a\n\r\n"}) {
    SCOPED_TRACE(body);
    EXPECT_EQ(Outcome(Exchange(head + body)), "400");
  }
}

INSTANTIATE_TEST_SUITE_P(HoweverTheyCome, FramingTest, ::testing::Values(Delivery::kAtOnce, Delivery::kByteByByte),
                         [](const auto& delivery) {
                           return delivery.param == Delivery::kAtOnce ? "AtOnce" : "ByteByByte";
                         });

// What the guard of a body in chunks says does not depend on where the bytes were cut.
TEST(ChunkGuardTest, SaysTheSameHoweverTheBytesCome) {
  constexpr size_t kMost = 64;
  size_t sound = 0, faulty = 0;
  for (const std::string& body :
       {std::string("3\r\nabc\r\n0\r\n\r\n"), std::string("a;b=c\r\n0123456789\r\n0;d\r\nX: a\r\nY: b\r\n\r\n"),
        "3\r\nabc\r\n0\r\nX: " + std::string(48, 'a') + "\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: " + std::string(53, 'a') + "\r\n\r\n",
        "3;" + std::string(70, 'a') + "\r\nabc\r\n0\r\n\r\n", std::string("3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"),
        std::string("3\r\n\n\n\n\r\n0\r\nX\r\n\r\n"), std::string("0\r\n: a\r\n\r\n")}) {
    ChunkGuard at_once(kMost);
    const std::optional<FramingFault> want = at_once.Follow(body);
    ++(want ? faulty : sound);
    for (size_t piece = 1; piece < body.size(); ++piece) {
      ChunkGuard guard(kMost);
      std::optional<FramingFault> got;
      for (size_t at = 0; at < body.size() && !got; at += piece)
        got = guard.Follow(std::string_view(body).substr(at, piece));
      ASSERT_EQ(got.has_value(), want.has_value()) << body << piece;
      if (got) {
        EXPECT_EQ(got->status, want->status) << body << piece;
      }
    }
  }
  EXPECT_EQ(sound, 3U);
  EXPECT_EQ(faulty, 5U);
}

// Each chunk may have some, which nobody reads.
TEST(ChunkGuardTest, ExtensionsTogetherHaveABound) {
  ChunkGuard guard(64);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(guard.Follow("1;" + std::string(15, 'a') + "\r\nx\r\n")) << i;
  const std::optional<FramingFault> fault = guard.Follow("1;a\r\nx\r\n");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->status, 431);
}

// The parser waits for CRLF; a line that has ended otherwise would be waited for in vain.
TEST(ChunkGuardTest, LinesThatWaitHaveNotEndedWithLf) {
  const ChunkGuard guard(64);
  for (const char* sound : {"", "3", "3\r", "\r\n3", "0\r\nX: a\r\nY", "0\r\nX: a\r\n"})
    EXPECT_FALSE(guard.CheckWaiting(sound)) << sound;
  for (const char* bare : {"\n", "3\n", "3\nabc\n0\n\n", "\r\n3\n", "3;a\n", "0\r\nX: a\nY: b"}) {
    ASSERT_TRUE(guard.CheckWaiting(bare)) << bare;
    EXPECT_EQ(guard.CheckWaiting(bare)->status, 400) << bare;
  }
  EXPECT_EQ(guard.CheckWaiting(std::string(64, 'a'))->status, 431);
}

TEST(FramingShapesTest, AreManyAndTellOfBothEnds) {
  size_t count = 0, refused = 0;
  for (const auto& shapes :
       {StartLineShapes(), HeaderShapes(), LengthShapes(), CodingShapes(), ChunkShapes(), ConnectionShapes()}) {
    count += shapes.size();
    for (const Shape& shape : shapes) refused += absl::StrContains(shape.want, '+') ? 0 : 1;
  }
  EXPECT_GT(count, 250U);
  EXPECT_GT(refused, 150U);
  EXPECT_GT(count - refused, 60U);
}

}  // namespace
}  // namespace batucada
