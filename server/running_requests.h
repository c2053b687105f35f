// Which generations run under which request id, so that one client can end what another began.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/request.h"

namespace batucada {

// Thread-safe. Ids are the clients' own and may come more than once.
class RunningRequests {
 public:
  void Add(const std::string& request_id, SequenceId sequence);
  void Remove(const std::string& request_id, SequenceId sequence);
  std::vector<SequenceId> Find(const std::string& request_id) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_multimap<std::string, SequenceId> running_;
};

}  // namespace batucada
