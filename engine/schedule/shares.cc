#include "engine/schedule/shares.h"

namespace batucada {

Shares::RequestKey Shares::KeyOf(SequenceId id, const Request& request) {
  // Ids of sequences and of groups are counted from 1 on, both of them, and never come so far.
  constexpr uint64_t kAlone = uint64_t{1} << 63;
  return {request.group != 0 ? request.group : kAlone | id, request.priority};
}

Owner Shares::Find(SequenceId id, const Request& request) {
  return {.client = &clients_[request.client], .request = &requests_[KeyOf(id, request)]};
}

void Shares::Forget(SequenceId id, const Request& request) {
  if (const auto client = clients_.find(request.client); client->second.empty()) clients_.erase(client);
  if (const auto own = requests_.find(KeyOf(id, request)); own->second.empty()) requests_.erase(own);
}

}  // namespace batucada
