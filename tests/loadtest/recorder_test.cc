// What is measured of requests whose times are given, and what threads' measurements come to together.
#include "loadtest/measure/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace batucada::loadtest {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

const TimePoint kStart{};

// Due and sent at `sent`, its first text 10 ms later, then one every 20 ms.
RequestRecord Answered(milliseconds sent, int64_t tokens) {
  const TimePoint at = kStart + sent;
  return {.due = at,
          .sent = at + milliseconds(1),
          .first = at + milliseconds(10),
          .last = at + milliseconds(10 + 20 * (tokens - 1)),
          .end = at + milliseconds(10 + 20 * tokens),
          .text_events = tokens,
          .prompt_tokens = 7,
          .completion_tokens = tokens};
}

RequestRecord Failed(ErrorKind error, int status, milliseconds took) {
  return {.due = kStart, .sent = kStart, .end = kStart + took, .error = error, .status = status, .message = "why"};
}

// The largest value there is, to the histogram's exactness.
double Milliseconds(const Histogram& histogram) { return ToSeconds(histogram.Percentile(100)) * 1e3; }

TEST(Recorder, ATokenAloneHasNoTimeForEach) {
  Recorder recorder(kStart, {}, Detail::kTotals);
  recorder.Record(Answered(milliseconds(0), 1));
  EXPECT_EQ(recorder.tpot.count(), 0U);
  recorder.Record(Answered(milliseconds(0), 5));
  EXPECT_EQ(recorder.tpot.count(), 1U);
  EXPECT_NEAR(Milliseconds(recorder.tpot), 20, 0.1);
  EXPECT_NEAR(Milliseconds(recorder.ttft), 10, 0.1);
  EXPECT_NEAR(Milliseconds(recorder.send_lag), 1, 0.1);
}

TEST(Recorder, RefusalsAreTimedAndNoOtherFailures) {
  Recorder recorder(kStart, {}, Detail::kTotals);
  recorder.Record(Failed(ErrorKind::kRefused, 429, milliseconds(3)));
  recorder.Record(Failed(ErrorKind::kUnavailable, 503, milliseconds(4)));
  recorder.Record(Failed(ErrorKind::kServer, 500, milliseconds(500)));
  EXPECT_EQ(recorder.refusal.count(), 2U);
  EXPECT_NEAR(Milliseconds(recorder.refusal), 4, 0.1);
  EXPECT_EQ(recorder.e2el.count(), 0U) << "none was answered";
  EXPECT_EQ(recorder.failed(), 3);
}

TEST(Recorder, GoodIsWhatKeepsEveryBound) {
  const RequestRecord request = Answered(milliseconds(0), 5);  // 10 ms, 20 ms a token, 110 ms
  const auto good = [&request](const Slo& slo) {
    Recorder recorder(kStart, slo, Detail::kTotals);
    recorder.Record(request);
    return recorder.good;
  };
  EXPECT_EQ(good({}), 1);
  EXPECT_EQ(good({.ttft = milliseconds(10), .tpot = milliseconds(20), .e2el = milliseconds(110)}), 1);
  EXPECT_EQ(good({.ttft = milliseconds(9)}), 0);
  EXPECT_EQ(good({.tpot = milliseconds(19)}), 0);
  EXPECT_EQ(good({.e2el = milliseconds(109)}), 0);
}

TEST(Recorder, SecondsCountWhatRanInThem) {
  Recorder recorder(kStart, {}, Detail::kTotals);
  recorder.Record(Answered(milliseconds(900), 5));   // until 1,010 ms
  recorder.Record(Answered(milliseconds(1100), 5));  // until 1,210 ms
  EXPECT_THAT(recorder.running_by_second, ElementsAre(1, 2));
  recorder.CountText(kStart + milliseconds(2500), 3);
  EXPECT_THAT(recorder.text_by_second, ElementsAre(0, 0, 3));
}

TEST(Recorder, ThreadsTogetherAreAsOne) {
  const Slo slo{.e2el = milliseconds(150)};
  Recorder one(kStart, slo, Detail::kEveryRequest), a(kStart, slo, Detail::kEveryRequest),
      b(kStart, slo, Detail::kEveryRequest);
  for (int i = 0; i < 12; ++i) {
    RequestRecord request =
        i % 4 == 3 ? Failed(ErrorKind::kRefused, 429, milliseconds(i)) : Answered(milliseconds(300 * i), 2 + i);
    for (Recorder* recorder : {&one, i % 2 == 0 ? &a : &b}) {
      recorder->Record(request);
      recorder->CountText(request.end, request.text_events);
      recorder->inter_token.Record(milliseconds(20 + i));
      recorder->connections += 1;
      recorder->stale_connections += i % 3;
    }
  }
  a.Merge(b);
  const auto same = [](const Histogram& x, const Histogram& y) {
    EXPECT_EQ(x.count(), y.count());
    EXPECT_EQ(x.Percentile(0), y.Percentile(0));
    EXPECT_EQ(x.Percentile(50), y.Percentile(50));
    EXPECT_EQ(x.Percentile(100), y.Percentile(100));
    EXPECT_NEAR(x.mean_ns(), y.mean_ns(), 1);
    EXPECT_NEAR(x.stddev_ns(), y.stddev_ns(), 1);
  };
  same(a.ttft, one.ttft);
  same(a.tpot, one.tpot);
  same(a.e2el, one.e2el);
  same(a.inter_token, one.inter_token);
  same(a.send_lag, one.send_lag);
  same(a.refusal, one.refusal);
  EXPECT_GT(one.good, 0);
  EXPECT_LT(one.good, one.completed);
  EXPECT_EQ(a.good, one.good);
  EXPECT_EQ(a.completed, one.completed);
  EXPECT_EQ(a.prompt_tokens, one.prompt_tokens);
  EXPECT_EQ(a.completion_tokens, one.completion_tokens);
  EXPECT_EQ(a.text_events, one.text_events);
  EXPECT_EQ(a.errors, one.errors);
  EXPECT_EQ(a.first_message, one.first_message);
  EXPECT_EQ(a.connections, one.connections);
  EXPECT_EQ(a.stale_connections, one.stale_connections);
  EXPECT_EQ(a.text_by_second, one.text_by_second);
  EXPECT_EQ(a.running_by_second, one.running_by_second);
  EXPECT_EQ(a.last_end, one.last_end);
  EXPECT_EQ(a.requests.size(), one.requests.size());
}

}  // namespace
}  // namespace batucada::loadtest
