// What happens where there are more connections than may be: the idle make room, and health is answered whatever comes.
#include <list>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "server/http/http_server.h"
#include "tests/server/raw_client.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kAskHello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kHealth[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kSlow[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

// Never done.
class Endless : public LiveAnswer {
 public:
  void OnReady(std::function<void()>) override {}
  Progress Advance(std::optional<HttpResponse>* head, std::string*) override {
    if (!begun_) head->emplace();
    begun_ = true;
    return Progress::kWaiting;
  }

 private:
  bool begun_ = false;
};

class ConnectionLimitTest : public ::testing::Test {
 protected:
  ConnectionLimitTest() {
    router_.Add({"GET", "/hello", "hello", [](const HttpRequest&) -> Answer { return TextResponse("hi"); }});
    router_.Add({"GET", "/slow", "slow", [](const HttpRequest&) -> Answer { return std::make_unique<Endless>(); }});
    router_.Add({"GET", "/health", "health", [](const HttpRequest&) -> Answer { return TextResponse("well"); },
                 Access::kHealth});
    limits_.read_timeout = absl::Seconds(30);
  }

  int Start(int32_t max_connections) {
    limits_.max_connections = max_connections;
    auto server =
        HttpServer::Start({.host = "127.0.0.1", .port = 0, .limits = limits_}, router_, gate_, door_, metrics_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    return server_->port();
  }

  std::string Ask(const char* request, const char* end) {
    RawClient client(server_->port());
    client.Send(request);
    return client.ReadUntil(end);
  }

  RawClient& Occupy(const char* bytes, const char* end = "") {
    RawClient& client = crowd_.emplace_back(server_->port());
    client.Send(bytes);
    if (*end != '\0') client.ReadUntil(end);
    return client;
  }

  HttpLimits limits_;
  Metrics metrics_;
  Router router_;
  Gate gate_;
  IoPool pool_{1};  // so that connections become idle in the order in which they were answered
  Door door_{pool_};
  std::unique_ptr<HttpServer> server_;
  std::list<RawClient> crowd_;
};

TEST_F(ConnectionLimitTest, TheLongestIdleMakesRoom) {
  Start(2);
  RawClient& first = Occupy(kAskHello, "\r\n\r\nhi");
  RawClient& second = Occupy(kAskHello, "\r\n\r\nhi");
  RawClient third(server_->port());
  third.Send(kAskHello);
  EXPECT_THAT(third.ReadUntil("\r\n\r\nhi"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(first.ReadToEnd(), "");
  EXPECT_TRUE(first.closed_by_peer());
  second.Send(kAskHello);
  EXPECT_THAT(second.ReadUntil("\r\n\r\nhi"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ConnectionLimitTest, WhoMakesRoomIsCounted) {
  const std::string kName = "\nbatucada_http_connections_evicted_total ";
  Start(1);
  Occupy(kAskHello, "\r\n\r\nhi");
  EXPECT_THAT(metrics_.Render({}), HasSubstr(kName + "0\n"));
  EXPECT_THAT(Ask(kAskHello, "\r\n\r\nhi"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(metrics_.Render({}), HasSubstr(kName + "1\n"));
}

TEST_F(ConnectionLimitTest, WhoIsServedKeepsItsPlace) {
  Start(2);
  RawClient& busy = Occupy(kSlow, "\r\n\r\n");
  for (int i = 0; i < 20; ++i) {
    // The one before has ended for its client; the server may be about to learn of it.
    bool served = false;
    for (int tries = 0; tries < 200 && !served; ++tries) {
      served = Ask(kAskHello, "\r\n\r\nhi").ends_with("hi");
      if (!served) absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_TRUE(served);
  }
  EXPECT_FALSE(busy.closed_by_peer());
}

TEST_F(ConnectionLimitTest, PastTheLimitHealthIsAnsweredAndNothingElse) {
  Start(1);
  Occupy(kSlow, "\r\n\r\n");
  EXPECT_THAT(Ask(kAskHello, "}}"), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after: 1"),
                                          HasSubstr("connection: close"), HasSubstr("too_many_connections")));
  EXPECT_THAT(Ask(kHealth, "\r\n\r\nwell"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("connection: close")));
  crowd_.clear();
  for (int tries = 0; tries < 100; ++tries) {
    if (Ask(kAskHello, "\r\n\r\nhi").ends_with("hi")) return;
    absl::SleepFor(absl::Milliseconds(50));
  }
  FAIL() << "the place of a connection that ended was not given to another";
}

TEST_F(ConnectionLimitTest, PastTheLimitThoseThatCameAndWentLeaveRoom) {
  Start(1);
  Occupy(kSlow, "\r\n\r\n");
  for (int i = 0; i < 100; ++i) EXPECT_THAT(Ask(kHealth, "\r\n\r\nwell"), StartsWith("HTTP/1.1 200 "));
  RawClient& slow = Occupy("GET /hea");
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Ask(kHealth, "\r\n\r\nwell"), StartsWith("HTTP/1.1 200 "));
  slow.Send("lth HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(slow.ReadUntil("\r\n\r\nwell"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ConnectionLimitTest, CrowdsThatSayNothingKeepNobodyOut) {
  Start(20);
  for (const char* bytes : {"", "GET /hel", "GET /hello HTTP/1.1\r\nHost: x\r\n"}) {
    for (int i = 0; i < 100; ++i) Occupy(bytes);
    EXPECT_THAT(Ask(kHealth, "well"), StartsWith("HTTP/1.1 200 ")) << bytes;
    EXPECT_THAT(Ask(kAskHello, "hi"), StartsWith("HTTP/1.1 200 ")) << bytes;
  }
}

TEST_F(ConnectionLimitTest, CrowdsPastTheLimitKeepHealthFromNobody) {
  Start(1);
  Occupy(kSlow, "\r\n\r\n");
  for (const char* bytes : {"", "GET /hel", "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"}) {
    for (int i = 0; i < 200; ++i) Occupy(bytes);
    EXPECT_THAT(Ask(kHealth, "well"), StartsWith("HTTP/1.1 200 ")) << bytes;
  }
}

}  // namespace
}  // namespace batucada
