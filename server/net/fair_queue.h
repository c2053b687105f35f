// Tasks that wait for a thread, in an order that is fair by bytes: between clients, and within one between its
// connections. Whoever asks for much waits behind those who ask for little, and nobody waits for ever.
//
// Self-clocked fair queueing (S. J. Golestani, "A self-clocked fair queueing scheme for broadband applications", 1994),
// once for each of the two levels: a task ends at max(clock, end of its owner's task before) + bytes, the least end
// goes first, and the clock is the end of the last that went.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/common/client.h"

namespace batucada {

// Deterministic; not thread-safe.
class FairQueue {
 public:
  struct Task {
    std::function<void()> run;
    std::function<void(const absl::Status&)> refused;  // hears why it is not run; null: nobody does
  };

  bool empty() const { return clients_.empty(); }

  void Push(const Client& owner, int64_t bytes, Task task);
  struct Popped {
    Client owner;
    int64_t bytes = 0;
    Task task;
  };
  // REQUIRES: !empty()
  Popped Pop();
  // All that waits, in no order.
  std::vector<Task> TakeAll();

 private:
  struct Entry {
    Client owner;
    int64_t bytes = 0;
    int64_t end = 0;  // by its client's clock
    uint64_t arrival = 0;
    Task task;
  };
  using Flow = std::deque<Entry>;  // of one connection, in the order of arrival; never empty
  struct Tenant {
    int64_t start = 0;  // by the queue's clock, of what it waits for
    int64_t clock = 0;
    absl::flat_hash_map<uint64_t, Flow> flows;  // by connection; never empty
  };
  // Of `tenant`, whose turn it is.
  static absl::flat_hash_map<uint64_t, Flow>::iterator NextFlow(Tenant& tenant);

  int64_t clock_ = 0;
  uint64_t arrivals_ = 0;
  absl::flat_hash_map<uint64_t, Tenant> clients_;  // that wait for something
};

}  // namespace batucada
