#include "loadtest/report/text_report.h"

#include <fmt/format.h>

namespace batucada::loadtest {
namespace {

void AppendRow(std::string_view name, const Histogram& histogram, std::string* out) {
  if (histogram.count() == 0) return;
  *out += fmt::format("{:<22}{:>10.3f}", name, histogram.mean_ns() / 1e6);
  for (const int percent : {50, 90, 95, 99}) {
    *out += fmt::format("{:>10.3f}", ToMilliseconds(histogram.Percentile(percent)));
  }
  *out += fmt::format("{:>10.3f}\n", ToMilliseconds(histogram.max()));
}

void AppendChaos(const Result& result, std::string* out) {
  if (result.chaos.Total() == 0) return;
  *out += "\nmisbehaved             how the server took it\n";
  for (size_t i = 1; i < kMischiefs; ++i) {
    const auto mischief = static_cast<Mischief>(i);
    if (result.chaos.Total(mischief) == 0) continue;
    *out += fmt::format("{:<22}", fmt::format("{} × {}", result.chaos.Total(mischief), MischiefName(mischief)));
    for (size_t j = 0; j < kChaosOutcomes; ++j) {
      const int64_t count = result.chaos.counts[i][j];
      if (count > 0) *out += fmt::format(" {} {}", count, ChaosOutcomeName(static_cast<ChaosOutcome>(j)));
    }
    *out += '\n';
  }
  *out += result.still_serves.empty() ? "Behind that, the server serves as before.\n"
                                      : fmt::format("Behind that, the server is broken: {}\n", result.still_serves);
}

void AppendReconciliation(const Result& result, std::string* out) {
  if (!result.no_metrics.empty()) *out += fmt::format("\nNo server metrics: {}\n", result.no_metrics);
  if (!result.reconciliation) return;
  if (result.reconciliation->Agrees()) {
    *out += "\nThe server's metrics agree with the client's counts.\n";
    return;
  }
  *out += fmt::format("\n{:<22}{:>14}{:>14}{:>14}\n", "counts differ", "client", "server", "difference");
  for (const Reconciliation::Row& row : result.reconciliation->rows) {
    *out += fmt::format("{:<22}{:>14}{:>14}{:>+14}\n", row.what, row.client, row.server, row.difference());
  }
  if (!result.reconciliation->note.empty()) *out += result.reconciliation->note + '\n';
}

}  // namespace

std::string TextReport(const Result& result) {
  const Recorder& totals = result.totals;
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<22}{}\n", name, value);
  };
  line("requests", fmt::format("{} answered, {} failed, {} at once at most, in {:.2f} s", totals.completed,
                               totals.failed(), result.peak_running, ToSeconds(result.duration)));
  line("requests/s", fmt::format("{:.2f}", result.PerSecond(totals.completed)));
  if (result.load.slo.Any()) {
    line("goodput requests/s", fmt::format("{:.2f} ({} of {})", result.PerSecond(totals.good), totals.good,
                                           totals.completed + totals.failed()));
  }
  line("output tokens/s",
       fmt::format("{:.1f} ({} tokens)", result.PerSecond(totals.completion_tokens), totals.completion_tokens));
  line("total tokens/s",
       fmt::format("{:.1f} ({} of prompts)", result.PerSecond(totals.prompt_tokens + totals.completion_tokens),
                   totals.prompt_tokens));
  out += fmt::format("\n{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "p50", "p90", "p95", "p99", "max");
  AppendRow("first token (TTFT)", totals.ttft, &out);
  AppendRow("per token (TPOT)", totals.tpot, &out);
  AppendRow("inter-token (ITL)", totals.inter_token, &out);
  AppendRow("whole answer (E2EL)", totals.e2el, &out);
  AppendRow("until refused", totals.refusal, &out);
  AppendRow("client behind schedule", totals.send_lag, &out);
  for (size_t i = 1; i < kErrorKinds; ++i) {
    if (totals.errors[i] == 0) continue;
    out +=
        fmt::format("\n{} × {}: {}", totals.errors[i], ErrorName(static_cast<ErrorKind>(i)), totals.first_message[i]);
  }
  if (totals.failed() > 0) out += '\n';
  AppendChaos(result, &out);
  AppendReconciliation(result, &out);
  return out;
}

}  // namespace batucada::loadtest
