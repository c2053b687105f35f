#include "loadtest/run/campaign.h"

#include <ctime>
#include <fstream>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "loadtest/client/quick_request.h"
#include "loadtest/report/json_result.h"
#include "loadtest/report/text_report.h"
#include "loadtest/run/driver.h"
#include "loadtest/run/progress.h"
#include "loadtest/status.h"
#include "loadtest/workload/random_workload.h"

namespace batucada::loadtest {
namespace {

namespace json = boost::json;

constexpr Duration kPatience = std::chrono::seconds(10);  // for a server to say something about itself

// The first name that /v1/models lists; empty if the server has no such list.
absl::StatusOr<std::string> FirstModel(const Target& target, const RequestHead& head) {
  LOADTEST_ASSIGN_OR_RETURN(const Reply reply, QuickRequest(target, head.Get("/v1/models"), kPatience));
  boost::system::error_code error;
  const json::value parsed = json::parse(reply.body, error);
  if (error) return std::string();
  const json::value* id = parsed.find_pointer("/data/0/id", error);
  return id != nullptr && id->is_string() ? std::string(id->as_string()) : std::string();
}

absl::Status WriteFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file.fail()) return absl::UnavailableError(fmt::format("cannot write {}", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Verdict> RunCampaign(const Options& options) {
  LOADTEST_ASSIGN_OR_RETURN(const Target target, ResolveTarget(options.url));
  std::vector<std::pair<std::string, std::string>> headers;
  if (!options.api_key.empty()) headers.emplace_back("Authorization", "Bearer " + options.api_key);
  const RequestHead head(target, headers);
  std::string model = options.model;
  if (model.empty()) {
    LOADTEST_ASSIGN_OR_RETURN(model, FirstModel(target, head));
  }
  LOADTEST_ASSIGN_OR_RETURN(
      const CompletionBody body,
      CompletionBody::Create(
          {.endpoint = options.endpoint, .model = model, .end_token = options.end_token, .extra = options.extra_body}));
  PromptMaker::Options prompt_options = {.kind = options.prompt_kind};
  if (options.bytes_per_token > 0) prompt_options.bytes_per_token = options.bytes_per_token;
  if (!options.corpus.empty()) {
    LOADTEST_ASSIGN_OR_RETURN(prompt_options.corpus, ReadCorpus(options.corpus));
  }
  const PromptMaker prompts(std::move(prompt_options));
  const RandomWorkload workload(prompts, options.seed, options.input, options.output);
  std::unique_ptr<Arrivals> arrivals;
  if (options.open_loop) {
    LOADTEST_ASSIGN_OR_RETURN(arrivals, MakeArrivals(options.arrival));
  }
  Tickets tickets(std::move(arrivals), {.sessions = options.requests, .duration = options.duration});
  LiveCounts live;
  const RequestContext context = {
      .target = target, .head = head, .body = body, .timeout = options.timeout, .live = live};
  Result result = {.load = {.date = fmt::format("{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr))),
                            .url = options.url,
                            .endpoint = options.endpoint == Endpoint::kChat ? "chat" : "completions",
                            .model = model,
                            .workload = "random",
                            .arrival = options.open_loop ? "poisson" : "closed",
                            .rate = options.open_loop ? options.arrival.rate : 0,
                            .burstiness = options.arrival.burstiness,
                            .clients = options.open_loop ? 0 : options.clients,
                            .threads = options.threads,
                            .seed = options.seed,
                            .slo = options.slo},
                   .totals = Recorder(Clock::now(), options.slo, Detail::kTotals)};
  {
    const Progress progress(live, options.progress);
    result.totals = Drive({.loop = options.open_loop ? Loop::kOpen : Loop::kClosed,
                           .threads = options.threads,
                           .clients = options.clients,
                           .slo = options.slo,
                           .detail = options.detailed ? Detail::kEveryRequest : Detail::kTotals},
                          workload, context, tickets);
  }
  result.duration = result.totals.last_end - result.totals.start();
  result.peak_running = live.peak_running;
  fmt::print("{}", TextReport(result));
  if (!options.output_file.empty()) {
    LOADTEST_RETURN_IF_ERROR(WriteFile(options.output_file, json::serialize(ResultToJson(result)) + "\n"));
  }
  return result.totals.failed() == 0 ? Verdict::kClean : Verdict::kRequestsFailed;
}

}  // namespace batucada::loadtest
