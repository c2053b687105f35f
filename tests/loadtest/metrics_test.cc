// The server's page, read and reconciled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadtest/metrics/prometheus_text.h"
#include "loadtest/metrics/reconcile.h"
#include "loadtest/metrics/server_counts.h"

namespace batucada::loadtest {
namespace {

TEST(ParsePrometheus, ReadsSamplesAndSkipsTheRest) {
  const std::vector<Sample> samples = ParsePrometheus(
      "# HELP x y\n# TYPE x counter\nplain 3\nlabelled{a=\"1\",b=\"}\\\"\"} 2.5e3 1700000000\n\nbroken{ "
      "1\nno_value\nnan NaN\n");
  ASSERT_EQ(samples.size(), 3);
  EXPECT_EQ(samples[0].name, "plain");
  EXPECT_EQ(samples[0].value, 3);
  EXPECT_EQ(samples[1].value, 2500);
  EXPECT_EQ(LabelOf(samples[1], "a"), "1");
  EXPECT_EQ(LabelOf(samples[1], "b"), "}\\\"");
  EXPECT_EQ(LabelOf(samples[1], "c"), "");
  EXPECT_EQ(LabelOf(ParsePrometheus("x{cab=\"1\",ab=\"2\", b=\"3\"} 1\n").at(0), "ab"), "2");
  EXPECT_EQ(LabelOf(ParsePrometheus("x{cab=\"1\",ab=\"2\", b=\"3\"} 1\n").at(0), "b"), "3");
}

TEST(ServerCounts, KnowsOurServerAndOthers) {
  const auto ours = ReadServerCounts(
      "batucada_requests_running 2\nbatucada_requests_waiting 1\nbatucada_prompt_tokens_total 100\n"
      "batucada_generation_tokens_total 50\nbatucada_requests_finished_total{reason=\"stop\"} 3\n"
      "batucada_requests_finished_total{reason=\"length\"} 4\nbatucada_requests_finished_total{reason=\"cancelled\"} "
      "9\n"
      "batucada_requests_rejected_total{reason=\"queue_full\"} 5\nbatucada_requests_rejected_total{reason=\"invalid\"} "
      "8\nbatucada_requests_rejected_total{reason=\"text_queue_full\"} 6\n"
      "batucada_requests_rejected_total{reason=\"unavailable\"} 7\n");
  ASSERT_TRUE(ours.ok());
  EXPECT_EQ(ours->kind, "batucada");
  EXPECT_EQ(ours->answered, 7);
  EXPECT_EQ(ours->refused, 18) << "whatever it is that is full, the client sees 429 or 503";
  EXPECT_EQ(ours->prompt_tokens, 100);
  EXPECT_EQ(ours->output_tokens, 50);
  EXPECT_EQ(ours->running, 2);
  EXPECT_EQ(ours->waiting, 1);
  const auto vllm = ReadServerCounts(
      "vllm:num_requests_running{model_name=\"m\"} 1.0\nvllm:generation_tokens_total{model_name=\"m\"} 12.0\n"
      "vllm:request_success_total{finished_reason=\"length\",model_name=\"m\"} 2.0\n"
      "vllm:request_success_total{finished_reason=\"abort\",model_name=\"m\"} 6.0\n");
  ASSERT_TRUE(vllm.ok());
  EXPECT_EQ(vllm->answered, 2);
  EXPECT_FALSE(vllm->refused.has_value());
  EXPECT_FALSE(ReadServerCounts("go_threads 7\n").ok());
}

TEST(Reconcile, AgreesOrSaysByHowMuchNot) {
  Recorder client(Clock::now(), {}, Detail::kTotals);
  const TimePoint start = client.start();
  client.Record({.due = start,
                 .sent = start,
                 .first = start,
                 .last = start,
                 .end = start,
                 .text_events = 5,
                 .prompt_tokens = 10,
                 .completion_tokens = 5});
  const ServerCounts before = {.answered = 100, .prompt_tokens = 1000, .output_tokens = 500, .running = 0};
  ServerCounts after = {.answered = 101, .prompt_tokens = 1010, .output_tokens = 505, .running = 0};
  EXPECT_TRUE(Reconcile(client, before, after, 0).Agrees());
  EXPECT_EQ(Reconcile(client, before, after, 0).rows.size(), 3) << "nothing about refusals, which the server hides";
  after.output_tokens = 507;
  const Reconciliation differs = Reconcile(client, before, after, 0);
  EXPECT_FALSE(differs.Agrees());
  EXPECT_EQ(differs.rows[2].difference(), 2);
  EXPECT_EQ(differs.note, "");
  // A counter that the server shows only once it has counted something.
  after.output_tokens = 505;
  after.refused = 0;
  EXPECT_TRUE(Reconcile(client, before, after, 0).Agrees());
  after.refused = 2;
  EXPECT_FALSE(Reconcile(client, before, after, 0).Agrees()) << "nobody here was refused";
  for (const ErrorKind kind : {ErrorKind::kRefused, ErrorKind::kUnavailable}) {
    client.Record({.due = start, .sent = start, .end = start, .error = kind});
  }
  EXPECT_TRUE(Reconcile(client, before, after, 0).Agrees()) << "one with 429, one with 503";
  client.Record({.due = start, .sent = start, .end = start, .error = ErrorKind::kTimeout});
  EXPECT_NE(Reconcile(client, before, after, 0).note, "");
}

}  // namespace
}  // namespace batucada::loadtest
