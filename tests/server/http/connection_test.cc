// The HTTP server over real sockets, with handlers of the test's own.
#include <atomic>
#include <condition_variable>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/http_server.h"
#include "tests/server/raw_client.h"

namespace batucada {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// What the test wants a LiveAnswer to say, and whether one is alive.
class Script {
 public:
  void Say(std::string text, bool done = false) {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      pending_ += text;
      done_ = done;
      wake = wake_;
    }
    if (wake) wake();
  }
  bool WaitUntilAlive(bool alive) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return alive_ == alive; });
  }

  class Live : public LiveAnswer {
   public:
    explicit Live(Script& script) : script_(script) { SetAlive(true); }
    ~Live() override { SetAlive(false); }
    void OnReady(std::function<void()> wake) override {
      const std::lock_guard lock(script_.mutex_);
      script_.wake_ = std::move(wake);
    }
    Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
      const std::lock_guard lock(script_.mutex_);
      if (!started_ && script_.pending_.empty() && !script_.done_) return Progress::kWaiting;
      if (!started_) head->emplace();
      started_ = true;
      *body += std::exchange(script_.pending_, "");
      return script_.done_ ? Progress::kDone : Progress::kWaiting;
    }

    void KeepAlive(std::string* body) override { *body += ": alive"; }

   private:
    void SetAlive(bool alive) {
      const std::lock_guard lock(script_.mutex_);
      script_.alive_ = alive;
      if (!alive) script_.wake_ = nullptr;
      script_.changed_.notify_all();
    }
    Script& script_;
    bool started_ = false;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> wake_;
  std::string pending_;
  bool done_ = false;
  bool alive_ = false;
};

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    router_.Add({"GET", "/hello", "hello", [](const HttpRequest&) -> Answer { return TextResponse("hi"); }});
    router_.Add(
        {"GET", "/long", "long", [](const HttpRequest&) -> Answer { return TextResponse(std::string(300'000, 'a')); }});
    router_.Add(
        {"POST", "/echo", "echo", [](const HttpRequest& request) -> Answer { return TextResponse(request.body); }});
    router_.Add({"GET", "/live", "live",
                 [this](const HttpRequest&) -> Answer { return std::make_unique<Script::Live>(script_); }});
    router_.Add({"GET", "/throw", "throw", [](const HttpRequest&) -> Answer { throw std::runtime_error("planted"); }});
    limits_.read_timeout = absl::Milliseconds(300);
    limits_.idle_timeout = absl::Milliseconds(600);
    limits_.max_body_bytes = 4096;
    limits_.max_header_bytes = 1024;
  }

  int Start() {
    auto server =
        HttpServer::Start({.host = "127.0.0.1", .port = 0, .limits = limits_}, router_, gate_, door_, metrics_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    return server_->port();
  }

  std::string Exchange(std::string_view bytes) {
    RawClient client(Start());
    client.Send(bytes);
    return client.ReadToEnd();
  }

  Script script_;
  HttpLimits limits_;
  Metrics metrics_;
  Router router_;
  Gate gate_;
  IoPool pool_{2};
  Door door_{pool_};
  std::unique_ptr<HttpServer> server_;
};

constexpr char kPage[] = "https://a.example.com";
constexpr char kOtherPage[] = "https://b.example.com";
constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(ConnectionTest, KeepsConnectionsAndAnswersPipelinedRequestsInOrder) {
  RawClient client(Start());
  client.Send(std::string(kHello) + "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
              std::string(kHello));
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(client.ReadUntil("abc"), HasSubstr("content-length: 3\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), HasSubstr("connection: keep-alive"));
  client.Send(kHello);
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), HasSubstr("200 OK"));
}

// A client that sends hundreds of requests ahead holds up the thread's other clients by one of them at a time.
TEST_F(ConnectionTest, RequestsThatWereSentAheadLeaveOthersATurn) {
  constexpr int kAhead = 400;
  limits_.idle_timeout = limits_.read_timeout = absl::Minutes(1);
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false, released = false;
  int answered_before = -1, answered = 0;
  router_.Add({"GET", "/ahead", "ahead", [&](const HttpRequest&) -> Answer {
                 std::unique_lock lock(mutex);
                 if (answered++ == 0) {  // holds the thread until the other's request is there
                   held = true;
                   changed.notify_all();
                   changed.wait(lock, [&] { return released; });
                 }
                 return TextResponse("");
               }});
  router_.Add({"GET", "/other", "other", [&](const HttpRequest&) -> Answer {
                 const std::lock_guard lock(mutex);
                 if (answered_before < 0 && answered > 0) answered_before = answered;
                 return TextResponse("other");
               }});
  IoPool one_thread(1);
  Door door(one_thread);
  auto server = HttpServer::Start({.host = "127.0.0.1", .port = 0, .limits = limits_}, router_, gate_, door, metrics_);
  ASSERT_TRUE(server.ok()) << server.status();
  RawClient other((*server)->port()), ahead((*server)->port());
  constexpr std::string_view kOther = "GET /other HTTP/1.1\r\nHost: x\r\n\r\n";
  other.Send(kOther);
  other.ReadUntil("\r\n\r\nother");

  std::string many;
  for (int i = 0; i < kAhead; ++i) many += "GET /ahead HTTP/1.1\r\nHost: x\r\n\r\n";
  ahead.Send(many);
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return held; });
    other.Send(kOther);
    released = true;
  }
  changed.notify_all();
  other.ReadUntil("\r\n\r\nother");
  const std::lock_guard lock(mutex);
  EXPECT_GT(answered_before, 0);
  EXPECT_LT(answered_before, 20) << "of " << kAhead;
}

TEST_F(ConnectionTest, ARequestMayComeByteByByte) {
  RawClient client(Start());
  for (const char byte : kHello) client.Send(std::string_view(&byte, 1));
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), HasSubstr("200 OK"));
}

TEST_F(ConnectionTest, KeysAreCheckedBeforeTheBodyComes) {
  gate_ = Gate(*AccessKeys::Load({"secret"}, ""), {});
  RawClient client(Start());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n");
  const std::string answer = client.ReadToEnd();
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 401 "), HasSubstr("www-authenticate: Bearer\r\n"),
                            HasSubstr("connection: close"), HasSubstr("missing_api_key")));
}

TEST_F(ConnectionTest, ARequestWithAKeyGoesOnAndOneWithoutKeepsItsConnection) {
  gate_ = Gate(*AccessKeys::Load({"secret"}, ""), {});
  RawClient client(Start());
  client.Send(kHello);
  EXPECT_THAT(client.ReadUntil("\"}}"), HasSubstr("HTTP/1.1 401 "));
  client.Send("GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: bearer secret\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), HasSubstr("HTTP/1.1 200 "));
}

TEST_F(ConnectionTest, PagesOfAllowedOriginsMayRead) {
  gate_ = Gate(*AccessKeys::Load({"secret"}, ""), {kPage});
  const std::string allowed = "allow-origin: " + std::string(kPage) + "\r\n";
  RawClient client(Start());
  client.Send("OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: " + std::string(kPage) +
              "\r\nAccess-Control-Request-Method: POST\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr(allowed),
                                                  HasSubstr("allow-headers: authorization, content-type")));
  client.Send("GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: " + std::string(kOtherPage) +
              "\r\nAuthorization: Bearer secret\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\nhi"), AllOf(Not(HasSubstr("allow-origin")), HasSubstr("vary: origin\r\n")));
}

TEST_F(ConnectionTest, PagesThatMayNotAskAreToldWhatWouldLetThem) {
  RawClient client(Start());
  client.Send("OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: " + std::string(kPage) +
              "\r\nAccess-Control-Request-Method: POST\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\"}}"), AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("--cors-origin"),
                                              HasSubstr("origin_not_allowed"), Not(HasSubstr("allow-origin"))));
  // Without a page nobody means CORS.
  client.Send("OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\"}}"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(ConnectionTest, SilentStreamsAreKeptAlive) {
  limits_.keep_alive_period = absl::Milliseconds(50);
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  script_.Say("one");
  EXPECT_THAT(client.ReadUntil("7\r\n: alive\r\n7\r\n: alive\r\n"), HasSubstr("one"));
  script_.Say("two", /*done=*/true);
  EXPECT_THAT(client.ReadUntil("0\r\n\r\n"), HasSubstr("3\r\ntwo\r\n0\r\n\r\n"));
}

TEST_F(ConnectionTest, ReadsChunkedBodies) {
  RawClient client(Start());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.Send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("abcde"), HasSubstr("content-length: 5"));
}

TEST_F(ConnectionTest, ContinuesWhenAskedTo) {
  RawClient client(Start());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_THAT(client.ReadUntil("abc"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ConnectionTest, DoesNotAskForABodyThatChangesNothing) {
  for (const auto& [path, status] : {std::pair("/nowhere", "404"), std::pair("/hello", "405")}) {
    const std::string answer = Exchange("POST " + std::string(path) +
                                        " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::string(status)));
    EXPECT_THAT(answer, HasSubstr("connection: close"));
  }
}

TEST_F(ConnectionTest, HeadHasNoBody) {
  const std::string answer = Exchange("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("content-length: 2\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  const std::string of_much = Exchange("HEAD /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(of_much, HasSubstr("content-length: 300000\r\n"));
  EXPECT_TRUE(of_much.ends_with("\r\n\r\n"));
}

TEST_F(ConnectionTest, OldClientsGetOneAnswerAndTheEnd) {
  EXPECT_THAT(Exchange("GET /hello HTTP/1.0\r\n\r\n"), HasSubstr("connection: close"));
}

TEST_F(ConnectionTest, CarriesTheRequestId) {
  const std::string sound =
      Exchange("GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(sound, HasSubstr("x-request-id: abc-1\r\n"));
  const std::string odd = Exchange("GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(odd, Not(HasSubstr("a b")));
  EXPECT_THAT(odd, HasSubstr("x-request-id: "));
}

TEST_F(ConnectionTest, RefusesWhatIsNotHttp) {
  for (const char* bytes : {"nonsense\r\n\r\n", "GET\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n",
                            "GET /hello HTTP/1.1\r\n\r\n", "GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
                            "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x01\x01"}) {
    const std::string answer = Exchange(bytes);
    EXPECT_THAT(answer, AnyOf(StartsWith("HTTP/1.1 4"), StartsWith("HTTP/1.1 505"))) << bytes;
    EXPECT_THAT(answer, HasSubstr("\"error\"")) << bytes;
    EXPECT_THAT(answer, HasSubstr("connection: close")) << bytes;
    EXPECT_THAT(answer, HasSubstr("x-request-id: ")) << bytes;
  }
  EXPECT_THAT(Exchange("GET /%zz HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n"),
              HasSubstr("x-request-id: mine\r\n"));
  EXPECT_THAT(Exchange("GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 400"))
      << "what is no UTF-8 could not be told in an answer";
}

TEST_F(ConnectionTest, BoundsHeaders) {
  const std::string answer =
      Exchange("GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(2000, 'a') + "\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer, HasSubstr("x-request-id: "));
  EXPECT_THAT(answer, HasSubstr("1024 bytes"));
}

TEST_F(ConnectionTest, BoundsBodies) {
  for (const std::string headers : {"Content-Length: 5000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1388\r\n"}) {
    const std::string answer = Exchange("POST /echo HTTP/1.1\r\nHost: x\r\n" + headers + std::string(5000, 'a'));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
    EXPECT_THAT(answer, HasSubstr("4096 bytes"));
  }
}

TEST_F(ConnectionTest, SlowRequestsTimeOut) {
  EXPECT_THAT(Exchange("GET /hello HT"),
              AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("headers did not arrive"), HasSubstr("x-request-id: ")));
  EXPECT_THAT(Exchange("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"),
              AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("body came too slowly")));
}

TEST_F(ConnectionTest, DribblingDoesNotExtendTheTimeout) {
  RawClient client(Start());
  const absl::Time start = absl::Now();
  while (client.Send("a") && absl::Now() - start < absl::Seconds(4)) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
}

TEST_F(ConnectionTest, IdleConnectionsCloseSilently) {
  RawClient client(Start());
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(ConnectionTest, StreamsInChunksAsTheyCome) {
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  script_.Say("one");
  EXPECT_THAT(client.ReadUntil("\r\n3\r\none\r\n"), HasSubstr("transfer-encoding: chunked"));
  script_.Say("fourteen bytes", /*done=*/true);
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "e\r\nfourteen bytes\r\n0\r\n\r\n");
  client.Send(kHello);
  EXPECT_THAT(client.ReadUntil("hi"), HasSubstr("200 OK"));
}

// Has a head, and nothing else to say.
class Silent : public LiveAnswer {
 public:
  void OnReady(std::function<void()> wake) override { wake(); }
  Progress Advance(std::optional<HttpResponse>* head, std::string*) override {
    if (!std::exchange(begun_, true)) head->emplace();
    return Progress::kWaiting;
  }

 private:
  bool begun_ = false;
};

TEST_F(ConnectionTest, AHeadDoesNotWaitForLongForWhatFollows) {
  router_.Add({"GET", "/silent", "silent", [](const HttpRequest&) -> Answer { return std::make_unique<Silent>(); }});
  router_.Add({"GET", "/begun", "begun", [](const HttpRequest&) -> Answer {
                 class Begun : public Silent {
                   void OnReady(std::function<void()>) override {}
                 };
                 return std::make_unique<Begun>();
               }});
  const int port = Start();
  for (const std::string path : {"/silent", "/begun"}) {
    RawClient client(port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n")) << path;
  }
}

TEST_F(ConnectionTest, AnAnswerThatIsDoneAtOnceHasALength) {
  script_.Say("whole", /*done=*/true);
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("whole"), HasSubstr("content-length: 5\r\n"));
}

TEST_F(ConnectionTest, StreamsToOldClientsWithoutChunks) {
  RawClient client(Start());
  client.Send("GET /live HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  script_.Say("one");
  EXPECT_THAT(client.ReadUntil("\r\n\r\none"), Not(HasSubstr("chunked")));
  script_.Say("two", /*done=*/true);
  EXPECT_EQ(client.ReadToEnd(), "two");
}

TEST_F(ConnectionTest, AClientThatLeavesEndsItsAnswerThoughNothingFlows) {
  for (const bool reset : {false, true}) {
    RawClient client(Start());
    client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(script_.WaitUntilAlive(true));
    reset ? client.Reset() : client.Close();
    EXPECT_TRUE(script_.WaitUntilAlive(false)) << "reset " << reset;
  }
}

TEST_F(ConnectionTest, AClientThatLeavesDuringABlockedWriteEndsItsAnswer) {
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  script_.Say(std::string(64 << 20, 'a'));  // more than the kernel takes without a reader
  absl::SleepFor(absl::Milliseconds(100));
  client.Close();
  EXPECT_TRUE(script_.WaitUntilAlive(false));
}

TEST_F(ConnectionTest, AClientThatNeverReadsIsCutOff) {
  limits_.write_timeout = absl::Milliseconds(200);
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  script_.Say(std::string(64 << 20, 'a'));
  EXPECT_TRUE(script_.WaitUntilAlive(false));
}

TEST_F(ConnectionTest, AnExceptionEndsItsConnectionOnly) {
  RawClient client(Start());
  client.Send("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadToEnd();
  EXPECT_TRUE(client.closed_by_peer());
  RawClient other(server_->port());
  other.Send(kHello);
  EXPECT_THAT(other.ReadUntil("hi"), HasSubstr("200 OK"));
}

TEST_F(ConnectionTest, StoppingClosesIdleConnectionsAndLetsAnswersFinish) {
  RawClient idle(Start());
  idle.Send(kHello);
  idle.ReadUntil("\r\n\r\nhi");
  RawClient busy(server_->port());
  busy.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  server_->StopAccepting();
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_FALSE(server_->WaitUntilClosed(absl::Now() + absl::Milliseconds(100)));
  script_.Say("late", /*done=*/true);
  EXPECT_THAT(busy.ReadToEnd(), AllOf(HasSubstr("connection: close"), EndsWith("late")));
  busy.Close();
  EXPECT_TRUE(server_->WaitUntilClosed(absl::Now() + absl::Seconds(5)));
  EXPECT_FALSE(RawClient(server_->port()).connected());
}

TEST_F(ConnectionTest, AStreamThatBeginsWhileTheServerLeavesEndsItsConnection) {
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  server_->StopKeepingAlive();
  script_.Say("one");
  EXPECT_THAT(client.ReadUntil("one"), HasSubstr("\r\nconnection: close\r\n"));
  script_.Say("two", /*done=*/true);
  EXPECT_THAT(client.ReadToEnd(), EndsWith("3\r\ntwo\r\n0\r\n\r\n"));
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(ConnectionTest, DestroyingTheServerEndsWhatRuns) {
  RawClient client(Start());
  client.Send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(script_.WaitUntilAlive(true));
  server_.reset();
  EXPECT_TRUE(script_.WaitUntilAlive(false));
}

TEST_F(ConnectionTest, APortInUseIsOneClearSentence) {
  const int port = Start();
  const auto second =
      HttpServer::Start({.host = "127.0.0.1", .port = port, .limits = limits_}, router_, gate_, door_, metrics_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), AllOf(HasSubstr(std::to_string(port)), HasSubstr("--port")));
}

}  // namespace
}  // namespace batucada
