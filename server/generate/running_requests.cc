#include "server/generate/running_requests.h"

namespace batucada {

void RunningRequests::Add(const std::string& request_id, const Client& client, SequenceId sequence) {
  const std::lock_guard lock(mutex_);
  running_.emplace(request_id, Running{.key = client.key, .sequence = sequence});
}

void RunningRequests::Remove(const std::string& request_id, SequenceId sequence) {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = running_.equal_range(request_id);
  for (auto it = begin; it != end; ++it) {
    if (it->second.sequence != sequence) continue;
    running_.erase(it);
    return;
  }
}

std::vector<SequenceId> RunningRequests::Find(const std::string& request_id, const Client& client) const {
  const std::lock_guard lock(mutex_);
  std::vector<SequenceId> found;
  const auto [begin, end] = running_.equal_range(request_id);
  for (auto it = begin; it != end; ++it) {
    if (it->second.key == client.key) found.push_back(it->second.sequence);
  }
  return found;
}

}  // namespace batucada
