#include "server/telemetry/span_exporter.h"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "absl/time/clock.h"
#include "server/telemetry/collector.h"
#include "server/telemetry/request_journal.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

Span MakeSpan(std::string name) {
  return {.trace_id = std::string(32, 'a'),
          .span_id = std::string(16, 'b'),
          .parent_id = "",
          .name = std::move(name),
          .start = absl::FromUnixNanos(1'700'000'000'123'456'789),
          .end = absl::FromUnixNanos(1'700'000'001'000'000'000),
          .attributes = {{"text", std::string("\"quoted\"")}, {"number", int64_t{7}}, {"part", 0.5}},
          .events = {{.name = "first", .time = absl::FromUnixSeconds(1'700'000'000)}},
          .error = ""};
}

uint64_t Counted(const Metrics& metrics, const std::string& name) {
  const std::string page = metrics.Render({});
  const size_t at = page.find("\n" + name + " ");
  return at == page.npos ? 0 : std::stoull(page.substr(at + name.size() + 2));
}

SpanExporter::Options Quick() {
  return {.resource = {}, .batch_delay = absl::Milliseconds(1), .first_pause = absl::Milliseconds(1)};
}

TEST(ExportRequestTest, IsWhatACollectorReads) {
  std::vector<Span> spans = {MakeSpan("one"), MakeSpan("two")};
  spans[1].parent_id = "00f067aa0ba902b7";
  const auto root = boost::json::parse(ExportRequest(spans, {{"service.name", std::string("s")}}));
  const auto& resource = root.at("resourceSpans").at(0);
  EXPECT_EQ(resource.at("resource").at("attributes").at(0).at("value").at("stringValue"), "s");
  const auto& written = resource.at("scopeSpans").at(0).at("spans");
  ASSERT_EQ(written.as_array().size(), 2u);
  const auto& span = written.at(0);
  EXPECT_EQ(span.at("startTimeUnixNano"), "1700000000123456789");
  EXPECT_EQ(span.at("kind"), 2);
  EXPECT_EQ(span.at("attributes").at(0).at("value").at("stringValue"), "\"quoted\"");
  EXPECT_EQ(span.at("attributes").at(1).at("value").at("intValue"), "7");
  EXPECT_EQ(span.at("attributes").at(2).at("value").at("doubleValue"), 0.5);
  EXPECT_FALSE(span.as_object().contains("parentSpanId"));
  EXPECT_EQ(written.at(1).at("parentSpanId"), "00f067aa0ba902b7");
}

TEST(SpanExporterTest, SendsEverythingInBatches) {
  Metrics metrics;
  std::atomic<int> posts = 0;
  {
    SpanExporter exporter(
        Quick(),
        [&](const std::string&) {
          ++posts;
          return Delivery::kTaken;
        },
        metrics);
    for (int i = 0; i < 1000; ++i) exporter.Add(MakeSpan("s"));
  }
  EXPECT_EQ(Counted(metrics, "batucada_spans_exported_total"), 1000u);
  EXPECT_LT(posts, 500);
}

TEST(SpanExporterTest, DropsWhatDoesNotFitAndNeverWaits) {
  Metrics metrics;
  std::promise<void> go_on;
  const auto held = go_on.get_future().share();
  constexpr uint64_t kExtra = 100;
  {
    SpanExporter exporter(
        Quick(),
        [&](const std::string&) {
          held.wait();
          return Delivery::kTaken;
        },
        metrics);
    // At most a batch is with the sender; the queue holds no more than it may.
    for (size_t i = 0; i < SpanExporter::kMaxQueued + SpanExporter::kMaxBatch + kExtra; ++i) {
      exporter.Add(MakeSpan("s"));
    }
    go_on.set_value();
  }
  const uint64_t dropped = Counted(metrics, "batucada_spans_dropped_total{reason=\"queue_full\"}");
  EXPECT_GE(dropped, kExtra);
  EXPECT_EQ(dropped + Counted(metrics, "batucada_spans_exported_total"),
            SpanExporter::kMaxQueued + SpanExporter::kMaxBatch + kExtra);
}

TEST(SpanExporterTest, TriesAgainAndGivesUp) {
  Metrics metrics;
  std::atomic<int> tries = 0;
  std::promise<void> gave_up;
  {
    SpanExporter exporter(
        Quick(),
        [&](const std::string&) {
          if (++tries == SpanExporter::kTries) gave_up.set_value();
          return Delivery::kTryAgain;
        },
        metrics);
    exporter.Add(MakeSpan("s"));
    gave_up.get_future().wait();
  }
  EXPECT_EQ(tries, SpanExporter::kTries);
  EXPECT_EQ(Counted(metrics, "batucada_spans_dropped_total{reason=\"export_failed\"}"), 1u);
}

TEST(SpanExporterTest, WaitsTwiceAsLongBeforeEachFurtherTry) {
  Metrics metrics;
  constexpr absl::Duration kFirst = absl::Milliseconds(10);
  std::vector<std::chrono::steady_clock::time_point>
      tries;  // the exporter's thread alone writes it, until it has ended
  std::promise<void> gave_up;
  {
    SpanExporter exporter(
        {.resource = {}, .batch_delay = absl::Milliseconds(1), .first_pause = kFirst},
        [&](const std::string&) {
          tries.push_back(std::chrono::steady_clock::now());
          if (tries.size() == SpanExporter::kTries) gave_up.set_value();
          return Delivery::kTryAgain;
        },
        metrics);
    exporter.Add(MakeSpan("s"));
    gave_up.get_future().wait();
  }
  ASSERT_EQ(tries.size(), size_t{SpanExporter::kTries});
  for (size_t i = 1; i < tries.size(); ++i) {  // a busy machine can only make it longer
    EXPECT_GE(absl::FromChrono(tries[i] - tries[i - 1]), (1 << (i - 1)) * kFirst) << "before try " << i + 1;
  }
}

TEST(SpanExporterTest, WhatIsRefusedIsNotSentAgain) {
  Metrics metrics;
  std::atomic<int> tries = 0;
  {
    SpanExporter exporter(
        Quick(),
        [&](const std::string&) {
          ++tries;
          return Delivery::kRefused;
        },
        metrics);
    exporter.Add(MakeSpan("s"));
    // Its end would keep it from trying again, too.
    while (Counted(metrics, "batucada_spans_dropped_total{reason=\"export_failed\"}") == 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  EXPECT_EQ(tries, 1);
}

TEST(CollectorAddressTest, ReadsUrls) {
  const auto address = ParseCollectorAddress("http://[::1]:80/otel/");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->port, "80");
  EXPECT_EQ(address->target, "/otel/v1/traces");
  EXPECT_EQ(ParseCollectorAddress("http://localhost")->port, "4318");
  EXPECT_EQ(ParseCollectorAddress("http://localhost//")->target, "/v1/traces");
}

TEST(CollectorAddressTest, RefusesTheOthers) {
  const std::string scheme = "http://";
  for (const std::string& url :
       {std::string(), std::string("localhost:4318"), std::string("https://localhost"), scheme, scheme + ":80",
        scheme + "a:", scheme + "a:1x", scheme + "a:123456", scheme + "a:0", scheme + "a:65536", scheme + "[::1",
        scheme + "[]:80", scheme + "me@a", scheme + "a/?q", scheme + "a b"}) {
    const auto address = ParseCollectorAddress(url);
    ASSERT_FALSE(address.ok()) << url;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("--otlp-endpoint"));
  }
}

TEST(CollectorTest, NobodyThereIsTriedAgain) {
  const CollectorAddress nobody = {.host = "127.0.0.1", .port = "1"};
  EXPECT_EQ(PostToCollector(nobody, "{}", absl::Seconds(5)), Delivery::kTryAgain);
}

TEST(OpenTelemetryEnvironmentTest, TurnsTracingOn) {
  TracingConfig tracing;
  ApplyOpenTelemetryEnvironment([](const char*) -> const char* { return nullptr; }, &tracing);
  EXPECT_EQ(tracing.endpoint, "");
  EXPECT_EQ(tracing.service_name, "batucada");
  const auto set = [](const char* name) -> const char* {
    return std::string_view(name) == "OTEL_SDK_DISABLED" ? nullptr : "value";
  };
  ApplyOpenTelemetryEnvironment(set, &tracing);
  EXPECT_EQ(tracing.endpoint, "value");
  EXPECT_EQ(tracing.service_name, "value");
  TracingConfig off;
  ApplyOpenTelemetryEnvironment([](const char*) -> const char* { return "true"; }, &off);
  EXPECT_EQ(off.endpoint, "");
}

}  // namespace
}  // namespace batucada
