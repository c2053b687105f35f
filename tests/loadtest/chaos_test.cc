// Those who misbehave, one at a time, against a server of the test's own: each does what its name says, and what became
// of it is told right.
#include "loadtest/chaos/troublemaker.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "tests/loadtest/fake_server.h"

namespace batucada::loadtest {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kPath = "/v1/completions";

std::string Chunked(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body);
}

struct Deed {
  ChaosTally tally;
  Duration took{0};
  int64_t Count(Mischief mischief, ChaosOutcome outcome) const {
    return tally.counts[static_cast<size_t>(mischief)][static_cast<size_t>(outcome)];
  }
};

Deed Misbehave(const std::string& url, Mischief mischief, const ChaosOptions& options, uint64_t index = 0) {
  const Target target = ResolveTarget(url).value();
  const RequestHead head(target, {{"Connection", "close"}});
  Deed deed;
  boost::asio::io_context io(1);
  Troublemaker troublemaker(io, target, head, kPath, options, deed.tally);
  const TimePoint start = Clock::now();
  boost::asio::co_spawn(io, troublemaker.Do(mischief, index, head.Post(kPath, "{\"prompt\":\"a\"}")),
                        boost::asio::detached);
  io.run();
  deed.took = Clock::now() - start;
  EXPECT_EQ(deed.tally.Total(mischief), 1);
  EXPECT_EQ(deed.tally.Total(), 1);
  return deed;
}

TEST(Troublemaker, CancelsAtARandomTimeWhileTheServerStillWorks) {
  std::promise<void> left;
  const std::shared_future<void> ends = left.get_future().share();
  const FakeServer server([&ends](const std::string&) -> FakeServer::Answer {
    ends.wait();  // until all have left: nobody is answered
    return {.bytes = Chunked("data: [DONE]\n\n"), .then = FakeServer::Then::kClose};
  });
  std::vector<Duration> times;
  for (uint64_t index = 0; index < 8; ++index) {
    const Deed deed = Misbehave(server.url(), Mischief::kCancel, {.cancel_within = milliseconds(100)}, index);
    EXPECT_EQ(deed.Count(Mischief::kCancel, ChaosOutcome::kLeft), 1);
    times.push_back(deed.took);
  }
  left.set_value();
  EXPECT_GT(*std::max_element(times.begin(), times.end()) - *std::min_element(times.begin(), times.end()),
            milliseconds(20));
}

TEST(Troublemaker, ReadsSlowly) {
  const std::string bytes = Chunked(std::string(300, 'a'));
  const FakeServer server(
      [&](const std::string&) -> FakeServer::Answer { return {.bytes = bytes, .then = FakeServer::Then::kClose}; });
  const Deed slow = Misbehave(server.url(), Mischief::kSlow, {.slow_bytes_per_s = 1000});
  EXPECT_EQ(slow.Count(Mischief::kSlow, ChaosOutcome::kAnswered), 1);
  EXPECT_GE(slow.took, milliseconds(300));
  const Deed impatient =
      Misbehave(server.url(), Mischief::kSlow, {.patience = milliseconds(350), .slow_bytes_per_s = 10});
  EXPECT_EQ(impatient.Count(Mischief::kSlow, ChaosOutcome::kLeft), 1);
  EXPECT_GE(impatient.took, milliseconds(350));
}

// The server finds the end of the client's side behind the request, and answers all the same.
TEST(Troublemaker, ClosesItsSideAndListens) {
  const FakeServer server([](const std::string& request) -> FakeServer::Answer {
    EXPECT_TRUE(request.ends_with("{\"prompt\":\"a\"}"));
    return {.bytes = Chunked("data: [DONE]\n\n")};  // and waits for another request: only the half-close ends this
  });
  const Deed deed = Misbehave(server.url(), Mischief::kHalfClose, {.patience = std::chrono::seconds(20)});
  EXPECT_EQ(deed.Count(Mischief::kHalfClose, ChaosOutcome::kAnswered), 1);
  EXPECT_LT(deed.took, std::chrono::seconds(10));
}

TEST(Troublemaker, FloodsWithConnections) {
  const FakeServer server([](const std::string&) -> FakeServer::Answer { return {}; });
  const Deed deed =
      Misbehave(server.url(), Mischief::kFlood, {.cancel_within = milliseconds(50), .flood_connections = 40});
  EXPECT_EQ(deed.Count(Mischief::kFlood, ChaosOutcome::kLeft), 1);
  EXPECT_EQ(server.connections(40), 40);
}

TEST(Troublemaker, TellsHowItWasTaken) {
  struct {
    FakeServer::Answer answer;
    ChaosOutcome outcome;
  } const cases[] = {
      {{StatusOnly(413), FakeServer::Then::kClose}, ChaosOutcome::kRefused},
      {{StatusOnly(503), FakeServer::Then::kClose}, ChaosOutcome::kUnavailable},
      {{StatusOnly(500), FakeServer::Then::kClose}, ChaosOutcome::kServerError},
      {{StatusOnly(501), FakeServer::Then::kClose}, ChaosOutcome::kRefused},
      {{StatusOnly(505), FakeServer::Then::kClose}, ChaosOutcome::kRefused},
      {{"", FakeServer::Then::kClose}, ChaosOutcome::kClosed},
      {{Chunked("cut off").substr(0, 60), FakeServer::Then::kClose}, ChaosOutcome::kClosed},
  };
  for (const auto& [answer, outcome] : cases) {
    const FakeServer server([&](const std::string&) { return answer; });
    const Deed deed = Misbehave(server.url(), Mischief::kHalfClose, {});
    EXPECT_EQ(deed.Count(Mischief::kHalfClose, outcome), 1) << ChaosOutcomeName(outcome);
  }
  std::string url;
  {
    url = FakeServer([](const std::string&) -> FakeServer::Answer { return {}; }).url();
  }
  for (const Mischief mischief : {Mischief::kCancel, Mischief::kSlow, Mischief::kHalfClose, Mischief::kGarbage,
                                  Mischief::kOversize, Mischief::kFlood}) {
    EXPECT_EQ(Misbehave(url, mischief, {}).Count(mischief, ChaosOutcome::kNoConnection), 1) << MischiefName(mischief);
  }
}

}  // namespace
}  // namespace batucada::loadtest
