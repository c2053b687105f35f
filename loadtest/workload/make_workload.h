// The workload that the flags describe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loadtest/options.h"
#include "loadtest/workload/prompt_maker.h"
#include "loadtest/workload/trace.h"
#include "loadtest/workload/workload.h"

namespace batucada::loadtest {

// `rows` are the trace's, with WorkloadKind::kTrace. `prompts` outlives the workload.
std::unique_ptr<Workload> MakeWorkload(const Options& options, const PromptMaker& prompts, std::vector<TraceRow> rows);

// In words, for the reports: "random, 128 tokens in, 64 to 512 out".
std::string DescribeWorkload(const Options& options);
std::string DescribeArrivals(const Options& options);

}  // namespace batucada::loadtest
