#include "loadtest/run/campaign.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/status.h"
#include "loadtest/report/html_report.h"
#include "loadtest/report/json_result.h"
#include "loadtest/report/text_report.h"
#include "loadtest/run/driver.h"
#include "loadtest/run/interrupt.h"
#include "loadtest/run/progress.h"
#include "loadtest/run/server_probe.h"
#include "loadtest/workload/make_workload.h"

namespace batucada::loadtest {
namespace {

absl::Status WriteFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file.fail()) return absl::UnavailableError(fmt::format("cannot write {}", path));
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> HeadersOf(const Options& options) {
  if (options.api_key.empty()) return {};
  return {{"Authorization", "Bearer " + options.api_key}};
}

LoadDescription DescribeLoad(const Options& options, const std::string& model) {
  return {.date = fmt::format("{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr))),
          .url = options.url,
          .endpoint = options.endpoint == Endpoint::kChat ? "chat" : "completions",
          .model = model,
          .workload = DescribeWorkload(options),
          .arrival = DescribeArrivals(options),
          .rate = options.open_loop && options.arrival.kind != ArrivalKind::kTrace ? options.arrival.rate : 0,
          .burstiness = options.arrival.burstiness,
          .clients = options.open_loop ? 0 : options.clients,
          .threads = options.threads,
          .seed = options.seed,
          .slo = options.slo};
}

// Everything that one run needs of the server and the files, found out once.
struct Setup {
  Target target;
  RequestHead head, closing_head;
  CompletionBody body;
  std::string model;
  PromptMaker prompts;
  std::vector<TraceRow> trace;
};

absl::StatusOr<Setup> SetUp(const Options& options) {
  BATUCADA_ASSIGN_OR_RETURN(Target target, ResolveTarget(options.url, options.certificates));
  std::vector<TraceRow> trace;
  if (options.workload == WorkloadKind::kTrace) {
    BATUCADA_ASSIGN_OR_RETURN(trace, ReadTrace(options.trace));
  }
  PromptMaker::Options prompts = {.kind = options.prompt_kind, .bytes_per_token = options.bytes_per_token};
  if (!options.corpus.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(prompts.corpus, ReadCorpus(options.corpus));
  }
  RequestHead head(target, HeadersOf(options));
  std::string model = options.model;
  if (model.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(model, FirstModel(target, head));
  }
  BATUCADA_ASSIGN_OR_RETURN(
      CompletionBody body,
      CompletionBody::Create(
          {.endpoint = options.endpoint, .model = model, .end_token = options.end_token, .extra = options.extra_body}));
  if (prompts.kind == PromptKind::kText && prompts.bytes_per_token == 0) {
    BATUCADA_ASSIGN_OR_RETURN(prompts.bytes_per_token, MeasureBytesPerToken(target, head, body, prompts));
  }
  auto closing = HeadersOf(options);
  closing.emplace_back("Connection", "close");
  RequestHead closing_head(target, closing);
  return Setup{.target = std::move(target),
               .head = std::move(head),
               .closing_head = std::move(closing_head),
               .body = std::move(body),
               .model = std::move(model),
               .prompts = PromptMaker(std::move(prompts)),
               .trace = std::move(trace)};
}

// One load, from its first request to its last answer; `interrupted` is set if somebody wanted it to end before.
absl::StatusOr<Result> RunOnce(const Options& options, const Setup& setup, bool* interrupted) {
  const std::unique_ptr<Workload> workload = MakeWorkload(options, setup.prompts, setup.trace);
  std::unique_ptr<Arrivals> arrivals;
  if (options.open_loop) {
    ArrivalOptions arrival = options.arrival;
    for (const TraceRow& row : setup.trace) arrival.trace.push_back(row.arrival);
    BATUCADA_ASSIGN_OR_RETURN(arrivals, MakeArrivals(arrival));
  }
  const uint64_t sessions = std::min(options.requests, workload->size().value_or(UINT64_MAX));
  Tickets tickets(std::move(arrivals), {.sessions = sessions, .duration = options.duration});
  LiveCounts live;
  const RequestContext context = {.target = setup.target,
                                  .head = setup.head,
                                  .closing_head = setup.closing_head,
                                  .body = setup.body,
                                  .timeout = options.timeout,
                                  .live = live};
  std::optional<Sampler> sampler;
  if (options.metrics) sampler.emplace(setup.target, setup.head);
  const auto drive = [&] {
    const Interrupt interrupt([&] { tickets.Stop(); });
    const Progress progress(live, options.progress);
    DriveResult driven = Drive({.loop = options.open_loop ? Loop::kOpen : Loop::kClosed,
                                .threads = options.threads,
                                .clients = options.clients,
                                .slo = options.slo,
                                .detail = options.detailed ? Detail::kEveryRequest : Detail::kTotals,
                                .chaos = options.chaos},
                               *workload, context, tickets);
    *interrupted = interrupt.seen();
    return driven;
  };
  DriveResult driven = drive();
  Result result = {
      .load = DescribeLoad(options, setup.model), .totals = std::move(driven.totals), .chaos = driven.chaos};
  result.duration = std::max(result.totals.last_end - result.totals.start(), Duration(0));
  result.peak_running = live.peak_running;
  if (sampler) sampler->Finish();
  if (options.chaos.mix.Any()) {
    const absl::Status serves = CheckServes(setup.target, setup.head, setup.body);
    result.still_serves = serves.ok() ? "" : std::string(serves.message());
  }
  if (!sampler) {
    result.no_metrics = "--no-metrics";
    return result;
  }
  result.server = sampler->moments();
  if (result.server.size() < 2) {
    result.no_metrics = sampler->why();
    return result;
  }
  result.reconciliation =
      Reconcile(result.totals, result.server.front().counts, result.server.back().counts, result.chaos.Total());
  return result;
}

absl::Status WriteReports(const Options& options, const std::vector<Result>& results) {
  if (!options.output_file.empty()) {
    boost::json::object out;
    if (options.sweep.empty()) {
      out = ResultToJson(results.front());
    } else {
      boost::json::array points;
      for (const Result& result : results) points.push_back(ResultToJson(result));
      out["sweep"] = std::move(points);
    }
    BATUCADA_RETURN_IF_ERROR(WriteFile(options.output_file, boost::json::serialize(out) + "\n"));
  }
  if (options.html_file.empty()) return absl::OkStatus();
  return WriteFile(options.html_file, HtmlReport(results));
}

}  // namespace

absl::StatusOr<Verdict> RunCampaign(const Options& options) {
  BATUCADA_ASSIGN_OR_RETURN(const Setup setup, SetUp(options));
  std::vector<Options> runs = {options};
  if (!options.sweep.empty()) {
    runs.assign(options.sweep.size(), options);
    for (size_t i = 0; i < runs.size(); ++i) {
      runs[i].arrival.rate = options.sweep[i];
      // The same prompts once more would find their prefixes in the server's cache.
      runs[i].seed = runs[i].arrival.seed = runs[i].chaos.seed = options.seed + i;
    }
  }
  std::vector<Result> results;
  Verdict verdict = Verdict::kClean;
  for (const Options& run : runs) {
    bool interrupted = false;
    BATUCADA_ASSIGN_OR_RETURN(Result result, RunOnce(run, setup, &interrupted));
    if (runs.size() > 1) fmt::print("== {}\n", result.load.arrival);
    fmt::print("{}\n", TextReport(result));
    std::fflush(stdout);
    if (result.totals.failed() > 0 || !result.still_serves.empty()) verdict = Verdict::kRequestsFailed;
    results.push_back(std::move(result));
    if (interrupted) {
      verdict = Verdict::kInterrupted;
      break;
    }
  }
  BATUCADA_RETURN_IF_ERROR(WriteReports(options, results));
  return verdict;
}

}  // namespace batucada::loadtest
