// Responses that are being made, for those who ask about one, or end it, meanwhile.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/request.h"
#include "server/common/client.h"

namespace batucada {

// Thread-safe. Ids are the server's own, each once; those of clients with other keys are not found.
class RunningResponses {
 public:
  struct Running {
    uint64_t key = 0;                   // Client::key
    std::string json;                   // what is told of it
    std::vector<SequenceId> sequences;  // what makes it
  };

  void Add(const std::string& id, Running running) {
    const std::lock_guard lock(mutex_);
    running_[id] = std::move(running);
  }
  void Remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
  }
  std::optional<Running> Find(const std::string& id, const Client& client) const {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end() || found->second.key != client.key) return std::nullopt;
    return found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Running> running_;
};

}  // namespace batucada
