// What flags, addresses and members of bodies come to.
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "loadtest/client/completion_body.h"
#include "loadtest/client/target.h"
#include "loadtest/options.h"
#include "loadtest/workload/arrival.h"

namespace batucada::loadtest {
namespace {

Options Parsed(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "batucada-loadtest");
  const auto options = ParseOptions(static_cast<int>(flags.size()), flags.data());
  EXPECT_TRUE(options.ok()) << options.status();
  return options.value_or(Options{});
}

TEST(Flags, ALoadEnds) {
  EXPECT_EQ(Parsed({}).requests, 1000U);
  EXPECT_EQ(Parsed({"--requests", "7"}).requests, 7U);
  EXPECT_GT(Parsed({"--duration", "3"}).requests, 1'000'000'000U) << "as the duration allows";
}

TEST(Flags, ASeedMakesArrivals) {
  const auto second = [](const char* seed) {
    const auto arrivals = MakeArrivals(Parsed({"--rate", "5", "--seed", seed}).arrival).value();
    EXPECT_EQ(arrivals->Next(), Duration(0));
    return arrivals->Next();
  };
  EXPECT_EQ(second("1"), second("1"));
  EXPECT_NE(second("1"), second("2"));
}

TEST(Flags, AnAddressMayEndAsClientsOfOpenAiHaveIt) {
  const auto prefix = [](const char* url) { return ResolveTarget(url).value().prefix; };
  EXPECT_EQ(prefix("http://127.0.0.1:8000"), "");
  EXPECT_EQ(prefix("http://127.0.0.1:8000/v1"), "");
  EXPECT_EQ(prefix("http://127.0.0.1:8000/models/a/v1/"), "/models/a");
}

// RFC 9110, 7.2: with the port, unless it is the scheme's own.
TEST(Flags, TheHostIsNamedWithItsPort) {
  const auto host = [](const char* url) { return ResolveTarget(url).value().HostHeader(); };
  EXPECT_EQ(host("http://127.0.0.1:8000"), "127.0.0.1:8000");
  EXPECT_EQ(host("http://127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(host("http://127.0.0.1:443"), "127.0.0.1:443");
  EXPECT_EQ(host("https://127.0.0.1:443"), "127.0.0.1");
}

TEST(Flags, MembersOfAnExtraBodyAreInEveryRequest) {
  const auto body = CompletionBody::Create({.model = "m", .extra = R"({"temperature": 0, "ignore_eos": false})"});
  ASSERT_TRUE(body.ok()) << body.status();
  const boost::json::value sent = boost::json::parse(body->Write({.ids = {1, 2}}, 5));
  EXPECT_EQ(sent.at("temperature"), 0);
  EXPECT_EQ(sent.at("ignore_eos"), false);
  EXPECT_EQ(sent.at("max_tokens"), 5);
}

}  // namespace
}  // namespace batucada::loadtest
