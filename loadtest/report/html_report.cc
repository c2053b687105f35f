#include "loadtest/report/html_report.h"

#include <functional>
#include <string_view>

#include <fmt/format.h>

#include "loadtest/report/svg_chart.h"

namespace batucada::loadtest {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Load test</title>
<meta name="viewport" content="width=device-width">
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1360px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.charts { display: flex; flex-wrap: wrap; gap: 1em; }
figure { margin: 0; flex: 1 1 600px; max-width: 660px; }
figcaption { font-weight: 600; }
svg text { font: 11px system-ui, sans-serif; fill: #555; }
.grid { stroke: #e3e3e3; } .line { fill: none; stroke-width: 1.8; }
.differs { color: #b00; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #ddd; } .grid { stroke: #333; } svg text { fill: #aaa; }
  th, td { border-color: #333; }
}
</style></head><body>
<h1>Load test</h1>
)";

constexpr size_t kMaxCurvePoints = 300;

struct Latency {
  std::string_view name;
  const Histogram Recorder::*histogram;
};
constexpr Latency kLatencies[] = {{"first token", &Recorder::ttft},
                                  {"per token", &Recorder::tpot},
                                  {"inter-token", &Recorder::inter_token},
                                  {"whole answer", &Recorder::e2el}};

// The share of samples, in per cent, that a latency does not exceed.
Series Cumulative(std::string_view name, const Histogram& histogram) {
  Series series = {.name = std::string(name), .points = {}};
  const std::vector<Histogram::Bucket> buckets = histogram.Buckets();
  uint64_t below = 0;
  size_t next = 0;  // of the kMaxCurvePoints steps of share
  for (const Histogram::Bucket& bucket : buckets) {
    below += bucket.count;
    const bool last = below == histogram.count();
    if (below * kMaxCurvePoints < next * histogram.count() && !last) continue;
    next = below * kMaxCurvePoints / histogram.count() + 1;
    series.points.emplace_back(ToMilliseconds(bucket.upper),
                               100.0 * static_cast<double>(below) / static_cast<double>(histogram.count()));
  }
  return series;
}

Series BySecond(std::string_view name, const std::vector<int64_t>& values) {
  Series series = {.name = std::string(name), .points = {}};
  for (size_t i = 0; i < values.size(); ++i) series.points.emplace_back(i, values[i]);
  return series;
}

Series FromServer(std::string_view name, const Result& result, std::optional<double> ServerCounts::*field) {
  Series series = {.name = std::string(name), .points = {}};
  for (const Sampler::Moment& moment : result.server) {
    if (moment.counts.*field) series.points.emplace_back(ToSeconds(moment.at), *(moment.counts.*field));
  }
  return series;
}

void AppendDescription(const LoadDescription& load, std::string* out) {
  *out +=
      fmt::format("<p>{} · {} · model <b>{}</b><br>{}<br>{} · seed {} · {}</p>\n", EscapeHtml(load.url), load.endpoint,
                  EscapeHtml(load.model), EscapeHtml(load.workload), EscapeHtml(load.arrival), load.seed, load.date);
}

void AppendTotals(const Result& result, std::string* out) {
  const Recorder& totals = result.totals;
  const auto row = [out](std::string_view name, const std::string& value) {
    *out += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", name, value);
  };
  *out += "<table>\n";
  row("answered", fmt::format("{}", totals.completed));
  row("failed", fmt::format("{}", totals.failed()));
  row("duration", fmt::format("{:.2f} s", ToSeconds(result.duration)));
  row("at once at most", fmt::format("{}", result.peak_running));
  row("requests/s", fmt::format("{:.2f}", result.PerSecond(totals.completed)));
  if (result.load.slo.Any()) row("goodput requests/s", fmt::format("{:.2f}", result.PerSecond(totals.good)));
  row("output tokens/s", fmt::format("{:.1f}", result.PerSecond(totals.completion_tokens)));
  row("total tokens/s", fmt::format("{:.1f}", result.PerSecond(totals.prompt_tokens + totals.completion_tokens)));
  for (size_t i = 1; i < kErrorKinds; ++i) {
    if (totals.errors[i] == 0) continue;
    row(ErrorName(static_cast<ErrorKind>(i)),
        fmt::format("{} ({})", totals.errors[i], EscapeHtml(totals.first_message[i])));
  }
  *out +=
      "</table>\n<table><tr><th>ms</th><th>mean</th><th>p50</th><th>p90</th><th>p95</th><th>p99</th><th>max</th></"
      "tr>\n";
  for (const Latency& latency : kLatencies) {
    const Histogram& histogram = totals.*latency.histogram;
    *out += fmt::format("<tr><td>{}</td><td>{:.3f}</td>", latency.name, histogram.mean_ns() / 1e6);
    for (const int percent : {50, 90, 95, 99})
      *out += fmt::format("<td>{:.3f}</td>", ToMilliseconds(histogram.Percentile(percent)));
    *out += fmt::format("<td>{:.3f}</td></tr>\n", ToMilliseconds(histogram.max()));
  }
  *out += "</table>\n";
}

void AppendReconciliationTable(const Result& result, std::string* out) {
  if (!result.reconciliation) {
    if (!result.no_metrics.empty()) *out += fmt::format("<p>Server's metrics: {}</p>\n", EscapeHtml(result.no_metrics));
    return;
  }
  *out += "<table><tr><th>counted by</th><th>client</th><th>server</th><th>difference</th></tr>\n";
  for (const Reconciliation::Row& row : result.reconciliation->rows) {
    *out += fmt::format("<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        row.difference() == 0 ? "" : " class=\"differs\"", row.what, row.client, row.server,
                        row.difference());
  }
  *out += fmt::format("</table>\n<p>{}</p>\n", EscapeHtml(result.reconciliation->note));
}

void AppendChaosTable(const Result& result, std::string* out) {
  if (result.chaos.Total() == 0) return;
  *out += "<table><tr><th>misbehaved</th>";
  for (size_t j = 0; j < kChaosOutcomes; ++j) {
    *out += fmt::format("<th>{}</th>", ChaosOutcomeName(static_cast<ChaosOutcome>(j)));
  }
  *out += "</tr>\n";
  for (size_t i = 1; i < kMischiefs; ++i) {
    *out += fmt::format("<tr><td>{}</td>", MischiefName(static_cast<Mischief>(i)));
    for (const int64_t count : result.chaos.counts[i]) *out += fmt::format("<td>{}</td>", count);
    *out += "</tr>\n";
  }
  *out += fmt::format("</table>\n<p>Behind that: {}</p>\n",
                      result.still_serves.empty() ? "serves as before" : EscapeHtml(result.still_serves));
}

void AppendCharts(const Result& result, std::string* out) {
  Chart latencies = {.title = "Latencies: share of requests that take no longer",
                     .x_label = "ms",
                     .y_label = "%",
                     .x_scale = Scale::kLogarithmic};
  for (const Latency& latency : kLatencies) {
    latencies.series.push_back(Cumulative(latency.name, result.totals.*latency.histogram));
  }
  const Chart tokens = {.title = "Output tokens per second",
                        .x_label = "seconds since the start",
                        .y_label = "tokens/s",
                        .series = {BySecond("as they came", result.totals.text_by_second)}};
  const Chart running = {.title = "Requests under way",
                         .x_label = "seconds since the start",
                         .y_label = "requests",
                         .series = {BySecond("client: in this second", result.totals.running_by_second),
                                    FromServer("server: running", result, &ServerCounts::running),
                                    FromServer("server: waiting", result, &ServerCounts::waiting)}};
  *out += "<div class=\"charts\">\n" + ToSvg(latencies) + ToSvg(tokens) + ToSvg(running) + "</div>\n";
}

void AppendSweep(const std::vector<Result>& results, std::string* out) {
  using Value = std::function<double(const Result&)>;
  const auto curve = [&](std::string_view name, const Value& x, const Value& y) {
    Series series = {.name = std::string(name), .points = {}};
    for (const Result& result : results) series.points.emplace_back(x(result), y(result));
    return series;
  };
  const auto percentile = [](const Histogram Recorder::*histogram, double percent) -> Value {
    return [=](const Result& result) { return ToMilliseconds((result.totals.*histogram).Percentile(percent)); };
  };
  const Value answered = [](const Result& result) { return result.PerSecond(result.totals.completed); };
  const Value output = [](const Result& result) { return result.PerSecond(result.totals.completion_tokens); };
  const Value offered = [](const Result& result) { return result.load.rate; };
  const Value good = [](const Result& result) { return result.PerSecond(result.totals.good); };
  const Chart ttft = {.title = "Throughput and latency",
                      .x_label = "requests answered per second",
                      .y_label = "ms",
                      .y_scale = Scale::kLogarithmic,
                      .dots = Dots::kYes,
                      .series = {curve("first token p50", answered, percentile(&Recorder::ttft, 50)),
                                 curve("first token p99", answered, percentile(&Recorder::ttft, 99)),
                                 curve("whole answer p50", answered, percentile(&Recorder::e2el, 50)),
                                 curve("whole answer p99", answered, percentile(&Recorder::e2el, 99))}};
  const Chart itl = {.title = "Throughput and time between tokens",
                     .x_label = "output tokens per second",
                     .y_label = "ms",
                     .y_scale = Scale::kLogarithmic,
                     .dots = Dots::kYes,
                     .series = {curve("inter-token p50", output, percentile(&Recorder::inter_token, 50)),
                                curve("inter-token p99", output, percentile(&Recorder::inter_token, 99))}};
  Chart load = {.title = "Offered and answered",
                .x_label = "requests offered per second",
                .y_label = "requests/s",
                .dots = Dots::kYes,
                .series = {curve("answered", offered, answered), curve("offered", offered, offered)}};
  if (results.front().load.slo.Any()) load.series.push_back(curve("good", offered, good));
  *out += "<div class=\"charts\">\n" + ToSvg(ttft) + ToSvg(itl) + ToSvg(load) + "</div>\n";
}

}  // namespace

std::string HtmlReport(const std::vector<Result>& results) {
  std::string out(kHead);
  if (results.size() > 1) {
    out += fmt::format("<h2>Sweep of {} rates</h2>\n", results.size());
    AppendSweep(results, &out);
  }
  for (const Result& result : results) {
    if (results.size() > 1) out += fmt::format("<h2>{} requests offered per second</h2>\n", result.load.rate);
    AppendDescription(result.load, &out);
    AppendTotals(result, &out);
    AppendReconciliationTable(result, &out);
    AppendChaosTable(result, &out);
    AppendCharts(result, &out);
  }
  return out + "</body></html>\n";
}

}  // namespace batucada::loadtest
