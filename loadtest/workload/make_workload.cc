#include "loadtest/workload/make_workload.h"

#include <utility>

#include <fmt/format.h>

#include "loadtest/workload/made_up_workload.h"
#include "loadtest/workload/trace_workload.h"

namespace batucada::loadtest {
namespace {

std::string DescribeRange(const LengthRange& range) {
  return range.low == range.high ? std::to_string(range.low) : fmt::format("{} to {}", range.low, range.high);
}

}  // namespace

std::unique_ptr<Workload> MakeWorkload(const Options& options, const PromptMaker& prompts, std::vector<TraceRow> rows) {
  if (options.workload == WorkloadKind::kTrace) {
    return std::make_unique<TraceWorkload>(prompts, options.seed, std::move(rows), options.length_scale);
  }
  MadeUpWorkload::Options made_up = {.seed = options.seed, .input = options.input, .output = options.output};
  if (options.workload == WorkloadKind::kConversation) {
    made_up.turns = options.turns;
    made_up.think = options.think;
  }
  if (options.workload == WorkloadKind::kSharedPrefix) {
    made_up.prefixes = options.prefixes;
    made_up.prefix_tokens = options.prefix_tokens;
  }
  return std::make_unique<MadeUpWorkload>(prompts, made_up);
}

std::string DescribeWorkload(const Options& options) {
  const std::string lengths =
      fmt::format("{} tokens in, {} out", DescribeRange(options.input), DescribeRange(options.output));
  switch (options.workload) {
    case WorkloadKind::kTrace: return fmt::format("trace {}, lengths × {}", options.trace, options.length_scale);
    case WorkloadKind::kSharedPrefix:
      return fmt::format("{} shared prefixes of {} tokens, then {}", options.prefixes, options.prefix_tokens, lengths);
    case WorkloadKind::kConversation:
      return fmt::format("conversations of {} turns, each {}", DescribeRange(options.turns), lengths);
    case WorkloadKind::kRandom: break;
  }
  return fmt::format("{}, {}", options.corpus.empty() ? "random words" : options.corpus, lengths);
}

std::string DescribeArrivals(const Options& options) {
  if (!options.open_loop) return fmt::format("closed loop of {} clients", options.clients);
  const ArrivalOptions& arrival = options.arrival;
  switch (arrival.kind) {
    case ArrivalKind::kPoisson: return fmt::format("Poisson, {}/s", arrival.rate);
    case ArrivalKind::kGamma: return fmt::format("gamma, {}/s, burstiness {}", arrival.rate, arrival.burstiness);
    case ArrivalKind::kConstant: return fmt::format("constant, {}/s", arrival.rate);
    case ArrivalKind::kRamp:
      return fmt::format("ramp from {}/s to {}/s in {} s", arrival.rate, arrival.ramp_to, ToSeconds(arrival.ramp_time));
    case ArrivalKind::kTrace: return fmt::format("the trace's, time × {}", arrival.time_scale);
  }
  return "";
}

}  // namespace batucada::loadtest
