#include "server/net/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <mutex>

namespace batucada {
namespace {

// Connections that health may have at once on both ports, the listing that a scrape opens, and some more.
constexpr rlim_t kKept = 192;
// Of a limit that is tight already, no more than that part.
constexpr rlim_t kSmallestPart = 4;
// "Unlimited" is what Linux allows where nobody has raised it.
constexpr rlim_t kMost = 1 << 20;

std::mutex mutex;  // guards what follows
rlim_t everybodys = 0;
rlim_t with_kept = 0;  // 0: nothing is kept
int holders = 0;

bool SetSoftLimit(rlim_t soft) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  limit.rlim_cur = soft;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace

void RaiseDescriptorLimit() {
  const std::lock_guard lock(mutex);
  rlimit limit = {};
  if (with_kept != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t most = std::min(limit.rlim_max, kMost);
  const rlim_t shared = most - std::min(kKept, most / kSmallestPart);
  if (!SetSoftLimit(shared)) return;
  everybodys = shared;
  with_kept = most;
}

int64_t DescriptorLimit() {
  const std::lock_guard lock(mutex);
  if (with_kept != 0) return static_cast<int64_t>(everybodys);
  rlimit limit = {};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int64_t>(std::min(limit.rlim_cur, kMost)) : 0;
}

// A limit binds what is opened from then on; descriptors that are open already stay.
KeptDescriptors::KeptDescriptors() {
  const std::lock_guard lock(mutex);
  if (with_kept != 0 && holders++ == 0) SetSoftLimit(with_kept);
}

KeptDescriptors::~KeptDescriptors() {
  const std::lock_guard lock(mutex);
  if (with_kept != 0 && --holders == 0) SetSoftLimit(everybodys);
}

}  // namespace batucada
