// Every flag of batucada-loadtest. One default per field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loadtest/chaos/troublemaker.h"
#include "loadtest/client/completion_body.h"
#include "loadtest/clock.h"
#include "loadtest/measure/slo.h"
#include "loadtest/workload/arrival.h"
#include "loadtest/workload/length_range.h"
#include "loadtest/workload/prompt_maker.h"

namespace batucada::loadtest {

enum class WorkloadKind : uint8_t { kRandom, kSharedPrefix, kConversation, kTrace };

struct Options {
  std::string url = "http://127.0.0.1:8000";
  Certificates certificates = Certificates::kCheck;
  Endpoint endpoint = Endpoint::kCompletions;
  std::string model;    // empty: the first that /v1/models names
  std::string api_key;  // empty: $OPENAI_API_KEY, if set
  EndToken end_token = EndToken::kIgnore;
  std::string extra_body;
  Duration timeout = std::chrono::seconds(600);
  int32_t threads = 2;

  int32_t clients = 1;     // of a closed loop
  bool open_loop = false;  // set by --rate, --arrival or --sweep
  ArrivalOptions arrival;
  uint64_t requests = 0;  // sessions at most; 0: as many as --duration lasts, or as the trace has, or 1000
  Duration duration{0};   // 0: no bound
  uint64_t seed = 0;

  WorkloadKind workload = WorkloadKind::kRandom;
  LengthRange input{128, 128}, output{128, 128};
  PromptKind prompt_kind = PromptKind::kText;
  int64_t prefixes = 8;         // of WorkloadKind::kSharedPrefix
  int64_t prefix_tokens = 512;  // of each
  LengthRange turns{2, 6};      // of WorkloadKind::kConversation
  Duration think{0};            // mean
  std::string trace;            // of WorkloadKind::kTrace: a file, or a name of ours
  double length_scale = 1;
  double bytes_per_token = 0;  // of text; 0: asked of the server before the run
  std::string corpus;

  ChaosOptions chaos;

  Slo slo;
  std::vector<double> sweep;  // rates, each of which is a run of its own; empty: one run
  bool metrics = true;        // read the server's /metrics meanwhile
  std::string output_file;    // JSON; empty: none
  std::string html_file;      // empty: none
  bool detailed = false;
  bool progress = true;
};

// Reads the command line. INVALID_ARGUMENT: one sentence that names the flag; OUT_OF_RANGE: help or version was asked
// for, and is the message.
absl::StatusOr<Options> ParseOptions(int argc, const char* const* argv);

}  // namespace batucada::loadtest
