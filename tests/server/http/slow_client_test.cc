// A client that is slow to take its answer, and steady.
#include <string>

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "server/http/http_server.h"
#include "tests/server/raw_client.h"

namespace batucada {
namespace {

// What it takes now and then buys it more time: all in all, far more than the server would wait for somebody who takes
// nothing.
TEST(SlowClientTest, WhoTakesSomeOfAnAnswerIsWaitedFor) {
  constexpr size_t kBytes = 64 << 20, kStep = 1 << 20;  // more than the kernel takes without a reader
  Router router;
  router.Add(
      {"GET", "/large", "large", [](const HttpRequest&) -> Answer { return TextResponse(std::string(kBytes, 'a')); }});
  HttpLimits limits;
  limits.write_timeout = absl::Seconds(2);
  limits.min_transfer_rate = 1;  // a byte buys a second
  Metrics metrics;
  const Gate gate;
  IoPool pool(1);
  Door door(pool);
  const auto server =
      HttpServer::Start({.host = "127.0.0.1", .port = 0, .limits = limits}, router, gate, door, metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  RawClient client((*server)->port());
  client.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  size_t taken = 0;
  for (; taken < kBytes; taken += kStep) {
    if (client.Read(kStep).size() < kStep) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(taken, kBytes);
}

}  // namespace
}  // namespace batucada
