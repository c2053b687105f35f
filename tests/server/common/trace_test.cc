#include "server/common/trace.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

TEST(TraceTest, ReadsSoundHeaders) {
  const TraceContext trace = ReadTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(trace.trace_id, kTrace);
  EXPECT_EQ(trace.parent_id, "00f067aa0ba902b7");
  EXPECT_TRUE(trace.sampled);
  EXPECT_EQ(ReadTraceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later").trace_id,
            kTrace);
}

TEST(TraceTest, ReadsTheSampledFlag) {
  const auto sampled = [](const char* flags) {
    return ReadTraceparent(std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-") + flags).sampled;
  };
  EXPECT_FALSE(sampled("00"));
  EXPECT_TRUE(sampled("03"));
  EXPECT_TRUE(sampled("0f"));
  EXPECT_FALSE(sampled("fe"));
}

TEST(TraceTest, IgnoresTheOthers) {
  for (const char* header : {
           "",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
       }) {
    EXPECT_EQ(ReadTraceparent(header).trace_id, "") << header;
  }
}

}  // namespace
}  // namespace batucada
