// Requests that somebody once got: when, how long, and which prefixes they shared. See loadtest/traces/README.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loadtest/clock.h"

namespace batucada::loadtest {

inline constexpr int64_t kTraceBlockTokens = 512;

struct TraceRow {
  Duration arrival{0};  // since the trace's start
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  std::vector<int64_t> blocks;  // ids of the prompt's blocks, the last of them part of one; empty: nothing is shared
};

// Lines of arrival_ms,input_tokens,output_tokens[,blocks] behind a line that names these columns; blocks are ids and
// runs first-last with spaces between. INVALID_ARGUMENT: the first line that is not so, by number.
absl::StatusOr<std::vector<TraceRow>> ParseTrace(std::string_view text);
// `path` is a file, or one of ours by its bare name: azure_llm_2023_code, …; those are looked for in loadtest/traces
// under the current directory and beside the program. INVALID_ARGUMENT: also if there is none.
absl::StatusOr<std::vector<TraceRow>> ReadTrace(const std::string& path);

}  // namespace batucada::loadtest
