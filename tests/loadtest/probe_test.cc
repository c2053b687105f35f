// What is asked of a server before, beside and after a load, of a server of the test's own.
#include <atomic>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "loadtest/client/quick_request.h"
#include "loadtest/metrics/sampler.h"
#include "loadtest/run/campaign.h"
#include "loadtest/run/server_probe.h"
#include "loadtest/workload/make_workload.h"
#include "tests/loadtest/fake_server.h"

namespace batucada::loadtest {
namespace {

using testing::HasSubstr;

std::string Whole(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

absl::StatusOr<double> BytesPerToken(const std::string& answer) {
  const FakeServer server(
      [&](const std::string&) -> FakeServer::Answer { return {.bytes = answer, .then = FakeServer::Then::kClose}; });
  const Target target = ResolveTarget(server.url()).value();
  return MeasureBytesPerToken(target, RequestHead(target, {}), CompletionBody::Create({.model = "m"}).value(), {});
}

TEST(Probe, TokensAreAsLongAsTheServerSaysOrFourBytes) {
  EXPECT_EQ(BytesPerToken(StreamOf(1)).value(), 4.0 * 512 / 3);
  EXPECT_EQ(BytesPerToken(Whole("data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}\n\n")).value(), 4);
  EXPECT_THAT(BytesPerToken(StatusOnly(503)).status().message(), HasSubstr("answered 503"));
}

TEST(Probe, AnAnswerThatIsCutOffIsNone) {
  const FakeServer server([](const std::string&) -> FakeServer::Answer {
    return {.bytes = Whole("some text").substr(0, 45), .then = FakeServer::Then::kClose};
  });
  const Target target = ResolveTarget(server.url()).value();
  const auto reply = QuickRequest(target, RequestHead(target, {}).Get("/"), std::chrono::seconds(20));
  EXPECT_TRUE(absl::IsUnavailable(reply.status())) << reply.status();
  EXPECT_THAT(reply.status().message(), HasSubstr("does not answer"));
}

TEST(Probe, WhatTheServerHasClosedIsNotIdle) {
  std::atomic<bool> closes{false};
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    return {.bytes = Whole("a"), .then = closes ? FakeServer::Then::kClose : FakeServer::Then::kKeep};
  });
  const Target target = ResolveTarget(server.url()).value();
  const RequestHead head(target, {});
  boost::asio::io_context io(1);
  Wire wire(io);
  EXPECT_FALSE(wire.Idle()) << "it is not connected";
  boost::beast::flat_buffer inbox;
  const auto ask = [&]() -> Task<void> {
    EXPECT_FALSE(co_await wire.Connect(target));
    EXPECT_EQ((co_await Exchange(wire, head.Get("/"), inbox, nullptr)).body, "a");
    EXPECT_TRUE(wire.Idle());
    closes = true;
    EXPECT_EQ((co_await Exchange(wire, head.Get("/"), inbox, nullptr)).body, "a");
    for (int tries = 0; tries < 5000 && wire.Idle(); ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(wire.Idle()) << "the server has closed it";
    wire.Close();
  };
  boost::asio::co_spawn(io, ask, boost::asio::detached);
  io.run();
}

TEST(Probe, TheLastReadingIsOfAServerThatIsDone) {
  std::atomic<int> asked{0};
  const FakeServer server([&](const std::string&) -> FakeServer::Answer {
    const int running = ++asked < 4 ? 1 : 0;
    return {.bytes = Whole(fmt::format("vllm:num_requests_running {}\n", running)), .then = FakeServer::Then::kClose};
  });
  const Target target = ResolveTarget(server.url()).value();
  const RequestHead head(target, {});
  Sampler sampler(target, head);
  sampler.Finish();
  ASSERT_GE(sampler.moments().size(), 2U);
  EXPECT_EQ(sampler.moments().front().counts.running, 1);
  EXPECT_EQ(sampler.moments().back().counts.running, 0);
}

TEST(Probe, AServerThatServesNoMoreBehindALoadHasFailed) {
  for (const bool serves : {true, false}) {
    std::atomic<int> asked{0};
    const FakeServer server([&](const std::string&) -> FakeServer::Answer {
      return {.bytes = ++asked <= 3 || serves ? StreamOf(1) : StatusOnly(503), .then = FakeServer::Then::kClose};
    });
    Options options = {.url = server.url(), .model = "m", .requests = 3, .metrics = false, .progress = false};
    options.bytes_per_token = 4;
    options.chaos.mix = ChaosMix::Parse("cancel=0.000001").value();  // it befalls none of three
    const auto verdict = RunCampaign(options);
    ASSERT_TRUE(verdict.ok()) << verdict.status();
    EXPECT_EQ(asked, 4);
    EXPECT_EQ(*verdict, serves ? Verdict::kClean : Verdict::kRequestsFailed);
  }
}

TEST(Probe, FlagsReachTheConversations) {
  Options options = {.workload = WorkloadKind::kConversation, .turns = {3, 3}, .think = std::chrono::seconds(5)};
  const PromptMaker prompts({.kind = PromptKind::kIds});
  const Session session = MakeWorkload(options, prompts, {})->Make(0);
  ASSERT_EQ(session.turns.size(), 3U);
  EXPECT_EQ(session.turns[0].think, Duration(0));
  EXPECT_GT(session.turns[1].think, Duration(0));
  EXPECT_GT(session.turns[2].think, Duration(0));
}

}  // namespace
}  // namespace batucada::loadtest
