// Whole loads against a server of the test's own: what is counted, and from when.
#include <algorithm>
#include <future>
#include <mutex>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadtest/run/driver.h"
#include "loadtest/workload/made_up_workload.h"
#include "tests/loadtest/fake_server.h"

namespace batucada::loadtest {
namespace {

using std::chrono::milliseconds;

struct Load {
  Loop loop = Loop::kClosed;
  int32_t clients = 1;
  double rate = 0;  // constant arrivals
  uint64_t sessions = 1;
  Duration timeout = std::chrono::seconds(20);
  LengthRange turns{1, 1};
};

// One of which the client takes `slow` to make up the session `slow_at`.
class SlowWorkload : public Workload {
 public:
  SlowWorkload(const Workload& inner, uint64_t slow_at, Duration slow)
      : inner_(inner), slow_at_(slow_at), slow_(slow) {}
  Session Make(uint64_t index) const override {
    if (index == slow_at_) std::this_thread::sleep_for(slow_);
    return inner_.Make(index);
  }

 private:
  const Workload& inner_;
  const uint64_t slow_at_;
  const Duration slow_;
};

Recorder RunLoad(const FakeServer& server, const Load& load, int64_t* peak_running = nullptr,
                 Duration slow_fifth = Duration(0)) {
  const Target target = ResolveTarget(server.url()).value();
  const RequestHead head(target, {});
  const CompletionBody body = CompletionBody::Create({.model = "m"}).value();
  const PromptMaker prompts({});
  const MadeUpWorkload made_up(prompts, {.input = {4, 4}, .output = {2, 2}, .turns = load.turns});
  const SlowWorkload workload(made_up, /*slow_at=*/5, slow_fifth);
  LiveCounts live;
  const RequestContext context = {
      .target = target, .head = head, .closing_head = head, .body = body, .timeout = load.timeout, .live = live};
  std::unique_ptr<Arrivals> arrivals;
  if (load.loop == Loop::kOpen) {
    arrivals = MakeArrivals({.kind = ArrivalKind::kConstant, .rate = load.rate}).value();
  }
  Tickets tickets(std::move(arrivals), {.sessions = load.sessions});
  Recorder totals = Drive({.loop = load.loop, .threads = 2, .clients = load.clients, .detail = Detail::kEveryRequest},
                          workload, context, tickets)
                        .totals;
  if (peak_running != nullptr) *peak_running = live.peak_running;
  return totals;
}

int64_t Errors(const Recorder& totals, ErrorKind kind) { return totals.errors[static_cast<size_t>(kind)]; }

// A server that stands still for half a second. A client that waits for it would send little meanwhile and find its
// latencies small; what people who came at their own time waited for is up to half a second, half of them that.
TEST(Load, AnOpenLoopDoesNotOmitWhatAStalledServerDelays) {
  const TimePoint start = Clock::now();
  const FakeServer server([start](const std::string&) -> FakeServer::Answer {
    const Duration at = Clock::now() - start;
    if (at > milliseconds(250) && at < milliseconds(750)) std::this_thread::sleep_until(start + milliseconds(750));
    return {.bytes = StreamOf(2)};
  });
  int64_t peak_running = 0;
  const Recorder totals = RunLoad(server, {.loop = Loop::kOpen, .rate = 100, .sessions = 100}, &peak_running);
  EXPECT_EQ(totals.completed, 100);
  EXPECT_GE(peak_running, 40) << "arrivals went on";
  EXPECT_LT(totals.last_end - totals.start(), milliseconds(2500)) << "and were not put off";
  const int64_t waited = std::count_if(totals.requests.begin(), totals.requests.end(),
                                       [](const RequestRecord& request) { return request.ttft() > milliseconds(100); });
  EXPECT_GE(waited, 35);
  EXPECT_LE(waited, 60);
  EXPECT_GT(totals.ttft.max(), milliseconds(400));
}

// A client that is late itself, because it takes long to make up a request.
TEST(Load, AnOpenLoopKeepsItsScheduleWhereItIsLate) {
  const FakeServer server([](const std::string&) -> FakeServer::Answer { return {.bytes = StreamOf(2)}; });
  const Recorder totals =
      RunLoad(server, {.loop = Loop::kOpen, .rate = 100, .sessions = 10}, nullptr, milliseconds(400));
  ASSERT_EQ(totals.completed, 10);
  const auto late = std::find_if(totals.requests.begin(), totals.requests.end(),
                                 [](const RequestRecord& request) { return request.index == 5; });
  ASSERT_NE(late, totals.requests.end());
  EXPECT_EQ(late->due - totals.start(), milliseconds(50)) << "whenever it was sent";
  EXPECT_GE(late->sent - late->due, milliseconds(300));
  EXPECT_GE(late->ttft(), milliseconds(300));
  EXPECT_GE(totals.ttft.max(), milliseconds(300));
}

// Latencies count from when a request was due, even if the client itself was late with it.
TEST(Load, LatenciesCountFromTheDueTime) {
  Recorder recorder(TimePoint(), {.ttft = milliseconds(100)}, Detail::kTotals);
  const auto at = [](int ms) { return TimePoint(milliseconds(ms)); };
  recorder.Record({.due = at(1000),
                   .sent = at(1300),
                   .first = at(1310),
                   .last = at(1410),
                   .end = at(1420),
                   .text_events = 3,
                   .prompt_tokens = 1,
                   .completion_tokens = 3});
  EXPECT_EQ(recorder.ttft.max(), milliseconds(310));
  EXPECT_EQ(recorder.e2el.max(), milliseconds(420));
  EXPECT_EQ(recorder.tpot.max(), milliseconds(50));
  EXPECT_EQ(recorder.send_lag.max(), milliseconds(300));
  EXPECT_EQ(recorder.good, 0) << "10 ms from sending, but 310 from when it was due";
}

TEST(Load, AClosedLoopKeepsItsClientsBusyAndItsConnectionsOpen) {
  std::atomic<int> requests{0};
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    ++requests;
    return {.bytes = StreamOf(5)};
  });
  const Recorder totals = RunLoad(server, {.clients = 4, .sessions = 100});
  EXPECT_EQ(requests, 100);
  EXPECT_EQ(totals.completed, 100);
  EXPECT_EQ(totals.completion_tokens, 500);
  EXPECT_EQ(totals.prompt_tokens, 300);
  EXPECT_EQ(totals.text_events, 500);
  EXPECT_LE(totals.connections, 4);
  EXPECT_EQ(totals.ttft.count(), 100);
  EXPECT_EQ(totals.tpot.count(), 100);
  EXPECT_EQ(totals.inter_token.count(), 400);
}

TEST(Load, TellsErrorsByKind) {
  const std::string whole = StreamOf(1);
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto with_length = [](std::string body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  const std::vector<std::pair<FakeServer::Answer, ErrorKind>> cases = {
      {{whole}, ErrorKind::kNone},
      {{StatusOnly(429)}, ErrorKind::kRefused},
      {{StatusOnly(503)}, ErrorKind::kUnavailable},
      {{StatusOnly(500)}, ErrorKind::kServer},
      {{StatusOnly(404)}, ErrorKind::kClient},
      {{StatusOnly(302)}, ErrorKind::kMalformed},
      {{"220 mail.example.org ESMTP\r\n", FakeServer::Then::kClose}, ErrorKind::kMalformed},
      {{"", FakeServer::Then::kClose}, ErrorKind::kCut},
      {{whole.substr(0, whole.size() - 20), FakeServer::Then::kClose}, ErrorKind::kCut},
      {{chunked + "5\r\ndata:\r\n", FakeServer::Then::kClose}, ErrorKind::kCut},
      {{with_length("data: {\"choices\":[{\"text\":\"a\"}]}\n\n")}, ErrorKind::kCut},
      {{with_length("data: {\"error\":{\"message\":\"lost\"}}\n\ndata: [DONE]\n\n")}, ErrorKind::kErrorEvent},
      {{with_length("data: {\"usage\":{\n\ndata: [DONE]\n\n")}, ErrorKind::kMalformed},
      {{with_length("data: [DONE]\n\n")}, ErrorKind::kNoTokens},
      {{with_length("data: {\"usage\":{\"completion_tokens\":0}}\n\ndata: [DONE]\n\n")}, ErrorKind::kNoTokens},
      {{with_length("data: {\"usage\":{\"completion_tokens\":1}}\n\ndata: [DONE]\n\n")}, ErrorKind::kNone},
      {{with_length("{\"choices\":[{\"text\":\"not streamed\",\"finish_reason\":\"stop\"}]}")}, ErrorKind::kMalformed},
      {{with_length("")}, ErrorKind::kCut},
      {{with_length("data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"abort\"}]}\n\ndata: [DONE]\n\n")},
       ErrorKind::kErrorEvent},
      {{"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + whole}, ErrorKind::kNone},
      {{"HTTP/1.1 103 Early Hints\r\n\r\n", FakeServer::Then::kClose}, ErrorKind::kCut},
      {{"HTTP/1.1 100 Continue\r\n\r\n" + StatusOnly(429)}, ErrorKind::kRefused},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const FakeServer server([&](const std::string&) { return cases[i].first; });
    const Recorder totals = RunLoad(server, {.sessions = 1});
    EXPECT_EQ(totals.requests.at(0).error, cases[i].second) << i << ": " << totals.requests[0].message;
    EXPECT_EQ(totals.completed + totals.failed(), 1);
    EXPECT_EQ(totals.requests[0].message.empty(), cases[i].second == ErrorKind::kNone) << i;
  }
}

TEST(Load, TokensWithoutTextAreSeenAtTheEnd) {
  const std::string body = "data: {\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    return {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
  });
  const Recorder totals = RunLoad(server, {.sessions = 2});
  EXPECT_EQ(totals.completed, 2);
  EXPECT_EQ(totals.completion_tokens, 6);
  for (const RequestRecord& request : totals.requests) {
    EXPECT_EQ(request.text_events, 0);
    EXPECT_EQ(request.ttft(), request.e2el());
    EXPECT_EQ(request.tpot(), Duration(0));
  }
}

TEST(Load, GivesUpAfterTheTimeout) {
  std::promise<void> given_up;
  const std::shared_future<void> ends = given_up.get_future().share();
  const FakeServer server([&ends](const std::string&) -> FakeServer::Answer {
    ends.wait();  // would answer only then
    return {.bytes = StreamOf(1)};
  });
  const Recorder totals = RunLoad(server, {.sessions = 1, .timeout = milliseconds(50)});
  given_up.set_value();
  EXPECT_EQ(Errors(totals, ErrorKind::kTimeout), 1);
  EXPECT_GE(totals.requests.at(0).e2el(), milliseconds(50));
}

TEST(Load, SaysWhenNobodyListens) {
  std::string url;
  {
    url = FakeServer([](const std::string&) -> FakeServer::Answer { return {}; }).url();
  }
  const Target target = ResolveTarget(url).value();
  const RequestHead head(target, {});
  const CompletionBody body = CompletionBody::Create({}).value();
  LiveCounts live;
  const RequestContext context = {.target = target,
                                  .head = head,
                                  .closing_head = head,
                                  .body = body,
                                  .timeout = std::chrono::seconds(5),
                                  .live = live};
  const PromptMaker prompts({});
  const MadeUpWorkload workload(prompts, {});
  Tickets tickets(nullptr, {.sessions = 3});
  const Recorder totals = Drive({.clients = 2}, workload, context, tickets).totals;
  EXPECT_EQ(Errors(totals, ErrorKind::kConnect), 3);
}

// A server may close a kept connection in the moment it is used again: that is nobody's error.
TEST(Load, SendsAgainWhatMeetsAClosedConnection) {
  std::atomic<int> requests{0};
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    return {.bytes = StreamOf(1), .then = ++requests % 2 == 0 ? FakeServer::Then::kClose : FakeServer::Then::kKeep};
  });
  const Recorder totals = RunLoad(server, {.clients = 1, .sessions = 40});
  EXPECT_EQ(totals.completed, 40);
  EXPECT_EQ(totals.failed(), 0);
}

// But a server that has had the request for a while and then hangs up has dropped it, on a kept connection as on a new
// one.
TEST(Load, DoesNotSendAgainWhatTheServerDropped) {
  std::atomic<int> requests{0};
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    if (++requests == 1) return {.bytes = StreamOf(1)};
    std::this_thread::sleep_for(milliseconds(1200));
    return {.bytes = "", .then = FakeServer::Then::kClose};
  });
  const Recorder totals = RunLoad(server, {.clients = 1, .sessions = 2});
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(totals.completed, 1);
  EXPECT_EQ(Errors(totals, ErrorKind::kCut), 1);
  EXPECT_EQ(totals.stale_connections, 0);
}

// An answer in whatever pieces the wire brings it: one byte at a time, chunks with extensions, trailers, until the end
// of the connection.
TEST(Load, ReadsEveryFormOfAnAnswer) {
  const std::string whole = StreamOf(3);
  const std::string events = whole.substr(whole.find("\r\n\r\n") + 4);
  const auto chunked = [&](size_t size, const std::string& extension, const std::string& trailers) {
    std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t at = 0; at < events.size(); at += size) {
      const std::string piece = events.substr(at, size);
      out += fmt::format("{:x}{}\r\n{}\r\n", piece.size(), extension, piece);
    }
    return out + "0\r\n" + trailers + "\r\n";
  };
  struct {
    std::string bytes;
    FakeServer::Then then;
    int64_t connections;  // for three requests
  } const cases[] = {
      {whole, FakeServer::Then::kKeep, 1},
      {chunked(1, "", ""), FakeServer::Then::kKeep, 1},
      {chunked(1000, ";name=\"a;b\"", ""), FakeServer::Then::kKeep, 1},
      {chunked(7, "", "X-One: 1\r\nX-Two: 2\r\n"), FakeServer::Then::kKeep, 1},
      {"HTTP/1.1 200 OK\r\n\r\n" + events, FakeServer::Then::kClose, 3},
      {"HTTP/1.0 200 OK\r\n\r\n" + events, FakeServer::Then::kClose, 3},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(events.size()) + "\r\n\r\n" + events,
       FakeServer::Then::kClose, 3},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(events.size()) + "\r\n\r\n" + events,
       FakeServer::Then::kKeep, 3},  // it does not close at once
  };
  for (const auto& [bytes, then, connections] : cases) {
    const FakeServer server(
        [&](const std::string&) -> FakeServer::Answer { return {.bytes = bytes, .then = then, .piece = 1}; });
    const Recorder totals = RunLoad(server, {.clients = 1, .sessions = 3});
    EXPECT_EQ(totals.completed, 3) << bytes;
    EXPECT_EQ(totals.completion_tokens, 9) << bytes;
    EXPECT_EQ(totals.text_events, 9) << bytes;
    EXPECT_EQ(totals.connections, connections) << bytes;
    EXPECT_EQ(totals.stale_connections, 0) << bytes;
  }
}

// Tokens are counted in the second in which they come, so that a stall is seen; each request keeps its gaps.
TEST(Load, KeepsWhenTokensCame) {
  const FakeServer server([](const std::string&) -> FakeServer::Answer {
    return {.bytes = StreamOf(4), .stall_after = StreamOf(4).find("data:") + 130, .stall = milliseconds(1100)};
  });
  const Recorder totals = RunLoad(server, {.sessions = 1});
  const RequestRecord& request = totals.requests.at(0);
  ASSERT_EQ(request.gaps.size(), 3);
  EXPECT_EQ(std::accumulate(request.gaps.begin(), request.gaps.end(), Duration(0)), request.last - request.first);
  EXPECT_GE(*std::max_element(request.gaps.begin(), request.gaps.end()), milliseconds(1000));
  EXPECT_EQ(totals.text_by_second.at(0), 2);
  EXPECT_EQ(std::accumulate(totals.text_by_second.begin(), totals.text_by_second.end(), int64_t{0}), 4);
}

// As `vllm bench serve` has it: bounds hold at their value, all of them must, a lone token has no time per token, and
// what failed is not good.
TEST(Load, GoodputIsThatOfVllm) {
  const auto at = [](int ms) { return TimePoint(milliseconds(ms)); };
  const auto good = [&](const Slo& slo, int64_t tokens, ErrorKind error) {
    Recorder recorder(TimePoint(), slo, Detail::kTotals);
    recorder.Record({.due = at(0),
                     .sent = at(0),
                     .first = at(100),
                     .last = at(300),
                     .end = at(310),
                     .text_events = tokens,
                     .completion_tokens = tokens,
                     .error = error});
    return recorder.good;
  };
  EXPECT_EQ(good({.ttft = milliseconds(100), .tpot = milliseconds(50), .e2el = milliseconds(310)}, 5, ErrorKind::kNone),
            1);
  EXPECT_EQ(good({.ttft = milliseconds(99)}, 5, ErrorKind::kNone), 0);
  EXPECT_EQ(good({.ttft = milliseconds(100), .tpot = milliseconds(49)}, 5, ErrorKind::kNone), 0);
  EXPECT_EQ(good({.tpot = milliseconds(1)}, 1, ErrorKind::kNone), 1);
  EXPECT_EQ(good({.e2el = milliseconds(309)}, 5, ErrorKind::kNone), 0);
  EXPECT_EQ(good({.ttft = milliseconds(100)}, 5, ErrorKind::kCut), 0);
}

TEST(Load, ConversationsCarryTheirHistory) {
  std::mutex mutex;
  std::vector<std::string> requests;
  const FakeServer server([&](const std::string& request) -> FakeServer::Answer {
    const std::lock_guard lock(mutex);
    requests.push_back(request.substr(request.find("\"prompt\":\"") + 10));
    requests.back().resize(requests.back().rfind('"'));
    return {.bytes = StreamOf(3)};
  });
  const Recorder totals = RunLoad(server, {.sessions = 1, .turns = {3, 3}});
  EXPECT_EQ(totals.completed, 3);
  ASSERT_EQ(requests.size(), 3);
  for (size_t i = 1; i < 3; ++i) EXPECT_TRUE(requests[i].starts_with(requests[i - 1] + "aaa")) << requests[i];
}

}  // namespace
}  // namespace batucada::loadtest
