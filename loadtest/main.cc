// batucada-loadtest: parses the command line, loads a server, reports.
//
//   0  done     1  could not do it     2  wrong flag or value     3  done, but requests failed,
//   or the server does not serve any more behind chaos
//   130 interrupted: the reports are of what there was until then
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <string>

#include "loadtest/options.h"
#include "loadtest/run/campaign.h"

namespace {

// A connection is a file: as many as the system lets us have.
void RaiseFileLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace batucada::loadtest;
  const auto fail = [](int code, const std::string& message) {
    std::fprintf(stderr, "batucada-loadtest: %s\n", message.c_str());
    return code;
  };
  RaiseFileLimit();
  try {
    const absl::StatusOr<Options> options = ParseOptions(argc, argv);
    if (options.status().code() == absl::StatusCode::kOutOfRange) {
      std::fputs(std::string(options.status().message()).c_str(), stdout);
      return 0;
    }
    if (!options.ok()) return fail(2, std::string(options.status().message()));
    const absl::StatusOr<Verdict> verdict = RunCampaign(*options);
    if (verdict.ok()) {
      switch (*verdict) {
        case Verdict::kClean: return 0;
        case Verdict::kRequestsFailed: return 3;
        case Verdict::kInterrupted: return 130;
      }
    }
    return fail(verdict.status().code() == absl::StatusCode::kInvalidArgument ? 2 : 1,
                std::string(verdict.status().message()));
  } catch (const std::exception& exception) {
    return fail(1, exception.what());
  }
}
