#include "server/memory/limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace batucada {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// A file that holds one number; "max", absurd ones and files that are not there limit nothing.
int64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  int64_t bytes = 0;
  if (!(file >> word) || !absl::SimpleAtoi(word, &bytes) || bytes <= 0) return kNoLimit;
  return bytes;
}

// Of the group and of all above it, as any of them may be the tightest. In a container the group's own path may not be
// there; its mount's root is the group then.
int64_t GroupLimit(const std::string& mount, std::string group, const std::string& file) {
  int64_t least = ReadLimit(mount + "/" + file);
  while (group.size() > 1) {
    least = std::min(least, ReadLimit(mount + group + "/" + file));
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return least;
}

int64_t ControlGroupLimit(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  int64_t least = GroupLimit(mount, "", "memory.max");
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));  // number:controllers:path
    if (fields.size() != 3) continue;
    if (fields[1].empty()) least = std::min(least, GroupLimit(mount, fields[2], "memory.max"));
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    if (std::find(controllers.begin(), controllers.end(), "memory") == controllers.end()) continue;
    least = std::min(least, GroupLimit(mount + "/memory", fields[2], "memory.limit_in_bytes"));
  }
  return least;
}

int64_t MachineMemory(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string key, unit;
  for (int64_t kib = 0; file >> key >> kib; std::getline(file, unit)) {
    if (key == "MemTotal:") return kib << 10;
  }
  return kNoLimit;
}

}  // namespace

int64_t ProcessMemoryLimit(const std::string& root) {
  int64_t least = std::min(MachineMemory(root), ControlGroupLimit(root));
  rlimit address_space = {};
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    least = std::min(least, static_cast<int64_t>(std::min<rlim_t>(address_space.rlim_cur, kNoLimit)));
  }
  return least;
}

int64_t DefaultRequestMemory(int64_t process_limit) { return std::max(process_limit / 4, int64_t{32} << 20); }

int32_t TlsConnectionsThatFit(int64_t request_memory) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(request_memory / kTlsConnectionBytes, 64, std::numeric_limits<int32_t>::max()));
}

}  // namespace batucada
