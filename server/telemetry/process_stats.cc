#include "server/telemetry/process_stats.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "server/net/descriptors.h"

namespace batucada {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Fields of /proc/self/stat from the third on (proc(5) counts from 1): the second is a name in parentheses that may
// hold anything.
std::vector<int64_t> StatFields() {
  const std::string text = ReadFile("/proc/self/stat");
  std::istringstream rest(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::vector<int64_t> fields;
  for (std::string word; rest >> word;) {
    int64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value);
    fields.push_back(value);
  }
  return fields;
}

// Seconds from the epoch to the machine's start.
double BootTime() {
  static const double boot = [] {
    std::istringstream text(ReadFile("/proc/stat"));
    for (std::string word; text >> word;) {
      double seconds = 0;
      if (word == "btime" && text >> seconds) return seconds;
    }
    return 0.0;
  }();
  return boot;
}

// Newer kernels say how many there are without listing them.
int64_t OpenFileDescriptors() {
  struct stat status = {};
  if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return status.st_size;
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  return error ? 0 : std::distance(begin(open), end(open)) - 1;  // less the listing's own
}

}  // namespace

ProcessStats ReadProcessStats() {
  const KeptDescriptors kept;  // when connections hold all others, that must be seen
  ProcessStats stats = {.open_fds = OpenFileDescriptors()};
  // utime, stime, num_threads, starttime, vsize and rss are fields 14, 15, 20, 22, 23 and 24.
  constexpr size_t kFirst = 3, kUserTime = 14, kSystemTime = 15, kThreads = 20, kStart = 22, kVirtual = 23, kPages = 24;
  if (const std::vector<int64_t> fields = StatFields(); fields.size() > kPages - kFirst) {
    const auto field = [&](size_t number) { return fields[number - kFirst]; };
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    stats.cpu_seconds = static_cast<double>(field(kUserTime) + field(kSystemTime)) / ticks;
    stats.start_time_seconds = BootTime() + static_cast<double>(field(kStart)) / ticks;
    stats.threads = field(kThreads);
    stats.virtual_bytes = field(kVirtual);
    stats.resident_bytes = field(kPages) * sysconf(_SC_PAGESIZE);
  }
  stats.max_fds = DescriptorLimit();
  return stats;
}

}  // namespace batucada
