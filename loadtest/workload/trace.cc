#include "loadtest/workload/trace.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/rounding.h"
#include "base/status.h"

namespace batucada::loadtest {
namespace {

constexpr int64_t kMaxTokens = 100'000'000;
constexpr double kMaxMilliseconds = 1e12;
constexpr std::string_view kColumns = "arrival_ms,input_tokens,output_tokens";

bool ParseCount(absl::string_view text, int64_t low, int64_t* out) {
  return absl::SimpleAtoi(text, out) && *out >= low && *out <= kMaxTokens;
}

bool ParseBlocks(absl::string_view text, int64_t input_tokens, std::vector<int64_t>* out) {
  const int64_t wanted = CeilDiv(input_tokens, kTraceBlockTokens);
  for (const absl::string_view run : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(run, absl::MaxSplits('-', 1));
    int64_t first = 0, last = 0;
    if (!ParseCount(ends.first, 0, &first) ||
        !ParseCount(ends.second.empty() ? ends.first : ends.second, first, &last)) {
      return false;
    }
    if (last - first >= wanted) return false;
    for (int64_t id = first; id <= last; ++id) out->push_back(id);
  }
  return out->empty() || static_cast<int64_t>(out->size()) == wanted;
}

// False: the line is not a row.
bool ParseRow(absl::string_view line, TraceRow* row) {
  const std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
  double milliseconds = 0;
  if (cells.size() < 3 || cells.size() > 4 || !absl::SimpleAtod(cells[0], &milliseconds) ||
      !(milliseconds >= 0 && milliseconds < kMaxMilliseconds)) {
    return false;
  }
  row->arrival = FromSeconds(milliseconds / 1e3);
  return ParseCount(cells[1], 1, &row->input_tokens) && ParseCount(cells[2], 1, &row->output_tokens) &&
         (cells.size() < 4 || ParseBlocks(cells[3], row->input_tokens, &row->blocks));
}

}  // namespace

absl::StatusOr<std::vector<TraceRow>> ParseTrace(std::string_view text) {
  std::vector<TraceRow> rows;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
    if (number == 1) {
      if (line == absl::string_view(kColumns.data(), kColumns.size()) || line == fmt::format("{},blocks", kColumns)) {
        continue;
      }
      return absl::InvalidArgumentError(fmt::format(
          "its first line must be '{0}' or '{0},blocks'; loadtest/traces/convert.py makes such files", kColumns));
    }
    if (line.empty()) continue;
    TraceRow row;
    if (!ParseRow(line, &row) || (!rows.empty() && row.arrival < rows.back().arrival)) {
      return absl::InvalidArgumentError(fmt::format(
          "line {} is '{}': it must be {} with counts of at least 1, no time before the last, and as many block ids as "
          "the prompt has blocks of {} tokens",
          number, std::string(line.substr(0, 80)), kColumns, kTraceBlockTokens));
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return absl::InvalidArgumentError("it has no rows");
  return rows;
}

absl::StatusOr<std::vector<TraceRow>> ReadTrace(const std::string& path) {
  std::vector<std::filesystem::path> places = {path};
  if (path.find('/') == path.npos) {
    std::error_code ignored;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    const std::string name = path.ends_with(".csv") ? path : path + ".csv";
    places.push_back(std::filesystem::path("loadtest/traces") / name);
    places.push_back(program / "../../../loadtest/traces" / name);
  }
  for (const std::filesystem::path& place : places) {
    std::ifstream file(place, std::ios::binary);
    std::ostringstream bytes;
    if (!file || !(bytes << file.rdbuf())) continue;
    absl::StatusOr<std::vector<TraceRow>> rows = ParseTrace(std::move(bytes).str());
    if (rows.ok()) return rows;
    return absl::InvalidArgumentError(
        fmt::format("--trace {}: {}", place.string(), std::string(rows.status().message())));
  }
  return absl::InvalidArgumentError(fmt::format("--trace {}: there is no such file, nor a trace of that name", path));
}

}  // namespace batucada::loadtest
