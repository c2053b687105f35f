#include "server/telemetry/metrics.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "server/common/error.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HistogramTest, CountsByUpperBound) {
  static constexpr double kBounds[] = {1, 2, 4};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.5, 4.0, 9.0}) histogram.Observe(value);
  EXPECT_EQ(histogram.bucket(0), 2);  // a bound belongs to its own bucket, as Prometheus' le says
  EXPECT_EQ(histogram.bucket(1), 1);
  EXPECT_EQ(histogram.bucket(2), 1);
  EXPECT_EQ(histogram.bucket(3), 1);
  EXPECT_DOUBLE_EQ(histogram.sum(), 16);
}

TEST(HistogramTest, LosesNothingBetweenThreads) {
  static constexpr double kBounds[] = {1};
  Histogram histogram(kBounds);
  const auto observe = [&] {
    for (int i = 0; i < 10'000; ++i) histogram.Observe(2);
  };
  std::thread other(observe);
  observe();
  other.join();
  EXPECT_EQ(histogram.bucket(1), 20'000);
  EXPECT_DOUBLE_EQ(histogram.sum(), 40'000);
}

TEST(MetricsTest, WritesWhatHappened) {
  Metrics metrics;
  const absl::Time start = absl::FromUnixSeconds(100);
  metrics.OnFinish({.reason = FinishReason::kLength,
                    .stop_string = {},
                    .stop_token = {},
                    .message = "",
                    .prompt_tokens = 10,
                    .generated_tokens = 3,
                    .submitted = start,
                    .admitted = start + absl::Seconds(1),
                    .first_token = start + absl::Seconds(3),
                    .finished = start + absl::Seconds(7)});
  metrics.OnStep({.decode_rows = 3, .prompt_rows = 5, .duration = absl::Milliseconds(2)});
  metrics.OnHttpResponse("completions", 200);
  metrics.OnHttpResponse("completions", 200);
  metrics.OnRejected(absl::ResourceExhaustedError(""));
  metrics.OnRejected(WithParameter(absl::ResourceExhaustedError(""), "", "text_queue_full"));
  metrics.OnTokenGap(absl::Milliseconds(20));
  metrics.OnDisconnect();
  Snapshot now = {.ready = true, .model = "m", .backend = "fake"};
  now.engine.running = 4;
  now.engine.slots_total = 16;
  now.engine.parking.paused = absl::Milliseconds(2500);
  now.engine.prefix = {.hits = 5, .host_hits = 2, .hit_tokens = 500, .host_hit_tokens = 200};
  now.store = {.responses = 11, .conversations = 12, .items = 13, .evicted = 14, .expired = 15, .failures = 16};
  const std::string page = metrics.Render(now);
  EXPECT_THAT(page, HasSubstr("# HELP batucada_requests_running "));
  EXPECT_THAT(page, HasSubstr("# TYPE batucada_time_to_first_token_seconds histogram"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_requests_running 4"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_recurrent_slots_capacity 16"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_prefix_hits_total{tier=\"device\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_prefix_hits_total{tier=\"host\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_prefix_hit_tokens_total{tier=\"device\"} 300\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_parked_seconds_total 2.5\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_entries{kind=\"response\"} 11\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_entries{kind=\"conversation\"} 12\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_entries{kind=\"item\"} 13\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_deleted_total{reason=\"room\"} 14\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_deleted_total{reason=\"age\"} 15\n"));
  EXPECT_THAT(page, HasSubstr("\nbatucada_store_failures_total 16\n"));
  EXPECT_THAT(page, HasSubstr("batucada_queue_time_seconds_sum 1"));
  EXPECT_THAT(page, HasSubstr("batucada_time_to_first_token_seconds_sum 3"));
  EXPECT_THAT(page, HasSubstr("batucada_time_per_output_token_seconds_sum 2"));
  EXPECT_THAT(page, HasSubstr("batucada_inter_token_latency_seconds_sum 0.02"));
  EXPECT_THAT(page, HasSubstr("batucada_prefill_time_seconds_sum 2"));
  EXPECT_THAT(page, HasSubstr("batucada_decode_time_seconds_sum 4"));
  EXPECT_THAT(page, HasSubstr("batucada_request_duration_seconds_sum 7"));
  EXPECT_THAT(page, HasSubstr("batucada_step_tokens_sum 8"));
  EXPECT_THAT(page, HasSubstr("batucada_requests_finished_total{reason=\"length\"} 1"));
  EXPECT_THAT(page, HasSubstr("batucada_requests_rejected_total{reason=\"queue_full\"} 1"));
  EXPECT_THAT(page, HasSubstr("batucada_requests_rejected_total{reason=\"text_queue_full\"} 1"));
  EXPECT_THAT(page, HasSubstr("batucada_requests_disconnected_total 1"));
  EXPECT_THAT(page, Not(HasSubstr("vllm:")));
  EXPECT_THAT(page, HasSubstr("batucada_http_responses_total{endpoint=\"completions\",status=\"200\"} 2"));
}

TEST(MetricsTest, ARequestThatNeverRanHasNoLatencies) {
  Metrics metrics;
  metrics.OnFinish({.reason = FinishReason::kCancelled,
                    .stop_string = {},
                    .stop_token = {},
                    .message = "",
                    .submitted = absl::FromUnixSeconds(1),
                    .finished = absl::FromUnixSeconds(2)});
  const std::string page = metrics.Render({});
  EXPECT_THAT(page, HasSubstr("batucada_time_to_first_token_seconds_count 0"));
  EXPECT_THAT(page, HasSubstr("batucada_queue_time_seconds_count 0"));
  EXPECT_THAT(page, Not(HasSubstr("inf ")));
}

TEST(MetricsTest, VllmsNamesHaveVllmsMeaning) {
  Metrics metrics;
  for (const FinishReason reason : {FinishReason::kCancelled, FinishReason::kDeadline, FinishReason::kOverrun,
                                    FinishReason::kShutdown, FinishReason::kStop}) {
    metrics.OnFinish({.reason = reason, .stop_string = {}, .stop_token = {}, .message = ""});
  }
  Snapshot now = {.model = "m", .backend = "fake"};
  now.engine = {.running = 3,
                .waiting = 2,
                .slots_used = 3,
                .slots_total = 4,
                .blocks_used = 10,
                .blocks_total = 100,
                .block_tokens = 64};
  now.engine.prefix = {.hits = 5, .hit_tokens = 500};
  now.engine.prefix->queried_tokens = 900;
  const std::string page = metrics.Render(now, MetricsAliases::kVllm);
  const std::string labels = "{model_name=\"m\",engine=\"0\"}";
  EXPECT_THAT(page, HasSubstr("\nvllm:num_requests_running" + labels + " 3\n"));
  EXPECT_THAT(page, HasSubstr("\nvllm:num_requests_waiting" + labels + " 2\n"));
  EXPECT_THAT(page, HasSubstr("\nvllm:kv_cache_usage_perc" + labels + " 0.75\n"));  // slots are scarcer than blocks
  EXPECT_THAT(page, HasSubstr("vllm:cache_config_info{engine=\"0\",block_size=\"64\",num_gpu_blocks=\"100\","));
  EXPECT_THAT(page, HasSubstr("\nvllm:prefix_cache_queries_total" + labels + " 900\n"));
  EXPECT_THAT(page, HasSubstr("\nvllm:prefix_cache_hits_total" + labels + " 500\n"));
  EXPECT_THAT(page, HasSubstr("\nvllm:time_to_first_token_seconds_count" + labels + " 0\n"));
  EXPECT_THAT(page, HasSubstr("finished_reason=\"abort\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("finished_reason=\"stop\"} 1\n"));
}

TEST(ProcessStatsTest, SaysWhatTheSystemSays) {
  const ProcessStats stats = ReadProcessStats();
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  EXPECT_GT(stats.start_time_seconds, now - 3600);
  EXPECT_LE(stats.start_time_seconds, now + 1);
  EXPECT_GT(stats.resident_bytes, 1 << 20);
  EXPECT_GT(stats.virtual_bytes, stats.resident_bytes);
  EXPECT_GE(stats.threads, 1);
  EXPECT_GT(stats.max_fds, stats.open_fds);
  int64_t open = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) open += fcntl(descriptor, F_GETFD) >= 0 ? 1 : 0;
  EXPECT_EQ(stats.open_fds, open);
  rusage used = {};
  do {
    for (int i = 0; i < 1000; ++i) close(dup(0));
    ASSERT_EQ(getrusage(RUSAGE_SELF, &used), 0);
  } while (used.ru_stime.tv_sec == 0 && used.ru_stime.tv_usec < 200'000);
  const auto seconds = [](const timeval& time) { return time.tv_sec + 1e-6 * static_cast<double>(time.tv_usec); };
  EXPECT_GE(ReadProcessStats().cpu_seconds + 0.1, seconds(used.ru_utime) + seconds(used.ru_stime));
  const int extra = dup(0);
  EXPECT_EQ(ReadProcessStats().open_fds, stats.open_fds + 1);
  close(extra);
}

}  // namespace
}  // namespace batucada
