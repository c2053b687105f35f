#include "loadtest/report/json_result.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>
#include <boost/json.hpp>

namespace batucada::loadtest {
namespace {

namespace json = boost::json;

// mean_NAME_ms, median_NAME_ms, std_NAME_ms, p50_NAME_ms … max_NAME_ms.
void AddDistribution(std::string_view name, const Histogram& histogram, json::object* out) {
  const auto put = [&](std::string_view kind, double value) { (*out)[fmt::format("{}_{}_ms", kind, name)] = value; };
  put("mean", histogram.mean_ns() / 1e6);
  put("median", ToMilliseconds(histogram.Percentile(50)));
  put("std", histogram.stddev_ns() / 1e6);
  for (const int percent : {50, 90, 95, 99}) {
    put(fmt::format("p{}", percent), ToMilliseconds(histogram.Percentile(percent)));
  }
  put("max", ToMilliseconds(histogram.max()));
}

void AddLoad(const LoadDescription& load, json::object* out) {
  json::object& json = *out;
  json["date"] = load.date;
  json["endpoint_type"] = load.endpoint == "chat" ? "openai-chat" : "openai";
  json["backend"] = json["endpoint_type"];
  json["label"] = nullptr;
  json["model_id"] = load.model;
  json["tokenizer_id"] = load.model;
  json["url"] = load.url;
  json["workload"] = load.workload;
  json["arrival"] = load.arrival;
  json["seed"] = load.seed;
  json["threads"] = load.threads;
  if (load.rate > 0) {
    json["request_rate"] = load.rate;
  } else {
    json["request_rate"] = "inf";
  }
  json["burstiness"] = load.burstiness;
  json["max_concurrency"] = load.clients > 0 ? json::value(load.clients) : json::value(nullptr);
}

void AddErrors(const Recorder& totals, json::object* out) {
  json::object kinds, messages;
  for (size_t i = 1; i < kErrorKinds; ++i) {
    const std::string_view name = ErrorName(static_cast<ErrorKind>(i));
    kinds[name] = totals.errors[i];
    if (totals.errors[i] > 0) messages[name] = totals.first_message[i];
  }
  (*out)["errors_by_kind"] = std::move(kinds);
  (*out)["first_errors"] = std::move(messages);
}

void AddRequests(const Recorder& totals, json::object* out) {
  json::array input_lens, output_lens, ttfts, itls, start_times, latencies, errors;
  for (const RequestRecord& request : totals.requests) {
    const bool good = request.error == ErrorKind::kNone;
    input_lens.push_back(request.prompt_tokens);
    output_lens.push_back(good ? request.completion_tokens : 0);
    ttfts.push_back(good || request.text_events > 0 ? ToSeconds(request.ttft()) : 0.0);
    json::array gaps;
    for (const Duration gap : request.gaps) gaps.push_back(ToSeconds(gap));
    itls.push_back(std::move(gaps));
    start_times.push_back(ToSeconds(request.due - totals.start()));
    latencies.push_back(ToSeconds(request.e2el()));
    errors.push_back(good ? json::value("")
                          : json::value(fmt::format("{}: {}", ErrorName(request.error), request.message)));
  }
  (*out)["input_lens"] = std::move(input_lens);
  (*out)["output_lens"] = std::move(output_lens);
  (*out)["ttfts"] = std::move(ttfts);
  (*out)["itls"] = std::move(itls);
  (*out)["start_times"] = std::move(start_times);
  (*out)["latencies"] = std::move(latencies);
  (*out)["errors"] = std::move(errors);
}

void AddServer(const Result& result, json::object* out) {
  if (!result.reconciliation) {
    (*out)["server_metrics"] = result.no_metrics;
    return;
  }
  json::object reconciliation;
  for (const Reconciliation::Row& row : result.reconciliation->rows) {
    reconciliation[row.what] = {{"client", row.client}, {"server", row.server}, {"difference", row.difference()}};
  }
  (*out)["reconciliation"] = std::move(reconciliation);
  (*out)["reconciliation_agrees"] = result.reconciliation->Agrees();
  (*out)["reconciliation_note"] = result.reconciliation->note;
  json::array moments;
  for (const Sampler::Moment& moment : result.server) {
    moments.push_back({{"at_s", ToSeconds(moment.at)},
                       {"running", moment.counts.running.value_or(0)},
                       {"waiting", moment.counts.waiting.value_or(0)},
                       {"output_tokens", moment.counts.output_tokens.value_or(0)}});
  }
  (*out)["server_metrics"] = std::move(moments);
}

void AddChaos(const Result& result, json::object* out) {
  if (result.chaos.Total() == 0) return;
  json::object chaos;
  for (size_t i = 1; i < kMischiefs; ++i) {
    json::object outcomes;
    for (size_t j = 0; j < kChaosOutcomes; ++j) {
      outcomes[ChaosOutcomeName(static_cast<ChaosOutcome>(j))] = result.chaos.counts[i][j];
    }
    chaos[MischiefName(static_cast<Mischief>(i))] = std::move(outcomes);
  }
  (*out)["chaos"] = std::move(chaos);
  (*out)["still_serves"] = result.still_serves.empty();
  (*out)["still_serves_error"] = result.still_serves;
}

int64_t MaxOf(const std::vector<int64_t>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace

json::object ResultToJson(const Result& result) {
  const Recorder& totals = result.totals;
  json::object out;
  AddLoad(result.load, &out);
  out["num_prompts"] = totals.completed + totals.failed();
  out["duration"] = ToSeconds(result.duration);
  out["completed"] = totals.completed;
  out["failed"] = totals.failed();
  out["total_input_tokens"] = totals.prompt_tokens;
  out["total_output_tokens"] = totals.completion_tokens;
  out["request_throughput"] = result.PerSecond(totals.completed);
  out["request_goodput"] = result.load.slo.Any() ? json::value(result.PerSecond(totals.good)) : json::value(nullptr);
  out["output_throughput"] = result.PerSecond(totals.completion_tokens);
  out["total_token_throughput"] = result.PerSecond(totals.prompt_tokens + totals.completion_tokens);
  out["max_output_tokens_per_s"] = MaxOf(totals.text_by_second);
  out["max_concurrent_requests"] = result.peak_running;
  AddDistribution("ttft", totals.ttft, &out);
  AddDistribution("tpot", totals.tpot, &out);
  AddDistribution("itl", totals.inter_token, &out);
  AddDistribution("e2el", totals.e2el, &out);
  AddDistribution("send_lag", totals.send_lag, &out);
  AddDistribution("refusal", totals.refusal, &out);
  AddErrors(totals, &out);
  out["connections_opened"] = totals.connections;
  out["stale_connections"] = totals.stale_connections;
  out["text_events"] = totals.text_events;
  AddServer(result, &out);
  AddChaos(result, &out);
  if (!totals.requests.empty()) AddRequests(totals, &out);
  return out;
}

}  // namespace batucada::loadtest
