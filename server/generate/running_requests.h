// Which generations run under which request id, so that one client can end what it began, also over another wire.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/request.h"
#include "server/common/client.h"

namespace batucada {

// Thread-safe. Ids are the clients' own and may come more than once; those of clients with other keys are others.
class RunningRequests {
 public:
  void Add(const std::string& request_id, const Client& client, SequenceId sequence);
  void Remove(const std::string& request_id, SequenceId sequence);
  // Those of the key that `client` has: nobody ends what another key began. Without keys everybody is one.
  std::vector<SequenceId> Find(const std::string& request_id, const Client& client) const;

 private:
  struct Running {
    uint64_t key = 0;  // Client::key
    SequenceId sequence{};
  };
  mutable std::mutex mutex_;
  std::unordered_multimap<std::string, Running> running_;
};

}  // namespace batucada
