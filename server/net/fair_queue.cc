#include "server/net/fair_queue.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/status.h"

namespace batucada {

void FairQueue::Push(const Client& owner, int64_t bytes, Task task) {
  const auto [tenant, is_new] = clients_.try_emplace(owner.id());
  if (is_new) tenant->second.start = clock_;
  Flow& flow = tenant->second.flows[owner.connection];
  const int64_t start = flow.empty() ? tenant->second.clock : flow.back().end;
  flow.push_back(
      {.owner = owner, .bytes = bytes, .end = start + bytes, .arrival = arrivals_++, .task = std::move(task)});
}

absl::flat_hash_map<uint64_t, FairQueue::Flow>::iterator FairQueue::NextFlow(Tenant& tenant) {
  return std::min_element(tenant.flows.begin(), tenant.flows.end(), [](const auto& a, const auto& b) {
    const Entry &x = a.second.front(), &y = b.second.front();
    return std::tie(x.end, x.arrival) < std::tie(y.end, y.arrival);
  });
}

FairQueue::Popped FairQueue::Pop() {
  BATUCADA_CHECK(!empty(), "nothing waits");
  auto chosen = clients_.end();
  decltype(NextFlow(chosen->second)) flow;
  int64_t end = 0;
  for (auto tenant = clients_.begin(); tenant != clients_.end(); ++tenant) {
    const auto next = NextFlow(tenant->second);
    const Entry& entry = next->second.front();
    const int64_t its_end = tenant->second.start + entry.bytes;
    if (chosen != clients_.end() && std::tie(end, flow->second.front().arrival) < std::tie(its_end, entry.arrival)) {
      continue;
    }
    chosen = tenant;
    flow = next;
    end = its_end;
  }
  Entry entry = std::move(flow->second.front());
  clock_ = std::max(clock_, end);
  Tenant& tenant = chosen->second;
  tenant.start = end;
  tenant.clock = std::max(tenant.clock, entry.end);
  flow->second.pop_front();
  if (flow->second.empty()) tenant.flows.erase(flow);
  if (tenant.flows.empty()) clients_.erase(chosen);
  return {.owner = entry.owner, .bytes = entry.bytes, .task = std::move(entry.task)};
}

std::vector<FairQueue::Task> FairQueue::TakeAll() {
  std::vector<Task> tasks;
  for (auto& [client, tenant] : clients_) {
    for (auto& [connection, flow] : tenant.flows) {
      for (Entry& entry : flow) tasks.push_back(std::move(entry.task));
    }
  }
  clients_.clear();
  return tasks;
}

}  // namespace batucada
