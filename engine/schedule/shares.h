// What each client, and each of its requests, has of the slots, the blocks and the queue, and who is next.
//
// A client's request is one sequence for each of its prompts and choices. Admission goes round: of the sequences of one
// priority, next is the one whose client runs the fewest, of these the one whose request runs the fewest, and of these
// the one that came first. So 1,024 choices of one request wait behind their own kind, and somebody who has nothing yet
// is next. Nobody starves: who runs nothing is passed only by those who came earlier and run nothing either.
//
// A request that has something may grow to a part of what the others leave (A. K. Choudhury and E. L. Hahne, "Dynamic
// queue length thresholds for shared-memory packet switches", 1998): own + more <= share · (own + free). The more
// requests are greedy, the less each of them gets, and something stays free for who has nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/node_hash_map.h"
#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/pages/kv_need.h"

namespace batucada {

// Whether somebody who has `own` may have `more` of what has `free` left. One who has none may always.
inline bool WithinShare(double share, int64_t own, int64_t more, int64_t free) {
  return own == 0 || share >= 1 || static_cast<double>(own + more) <= share * static_cast<double>(own + free);
}

// What a client, or a request, has.
struct Share {
  int32_t running = 0;         // slots
  int32_t controlled = 0;      // with them, control rows
  GroupCounts blocks = {};     // with them, by K/V group
  int32_t parked = 0;          // sequences that hold nothing for the time being
  int32_t waiting = 0;         // sequences in the queue
  int64_t waiting_tokens = 0;  // of their prompts
  int32_t turn = 0;            // the scheduler's, while it makes a plan

  bool empty() const { return running == 0 && parked == 0 && waiting == 0; }
};

// The shares that a sequence counts to. Pointers stay valid as long as it does.
struct Owner {
  Share* client = nullptr;
  Share* request = nullptr;
};

// What one client may have: always a part, or all while there is nobody else. A reserve for others costs who is alone a
// part of the machine, and addresses often are one, a proxy's.
class ClientShare {
 public:
  // `alone_after`: one beside whom nobody else has asked for so long is alone; infinite: nobody ever is.
  ClientShare(double share, absl::Duration alone_after) : share_(share), alone_after_(alone_after) {}

  void OnRequest(uint64_t client, absl::Time now) {
    if (last_client_ && *last_client_ != client) two_at_ = now;
    last_client_ = client;
    OnTime(now);
  }
  void OnTime(absl::Time now) {
    const bool alone = alone_after_ < absl::InfiniteDuration() && now - two_at_ >= alone_after_;
    current_ = alone ? 1 : share_;
  }
  // Of what others leave, for WithinShare.
  double current() const { return current_; }

 private:
  const double share_;
  const absl::Duration alone_after_;
  double current_ = share_;
  std::optional<uint64_t> last_client_;
  absl::Time two_at_ = absl::InfinitePast();  // when somebody asked who was not the last who had
};

// Not thread-safe.
class Shares {
 public:
  // Of a sequence that comes. One without a group is a request of its own.
  Owner Find(SequenceId id, const Request& request);
  // Forgets the shares if they are empty: the last sequence has left them.
  void Forget(SequenceId id, const Request& request);

  // Clients that have anything.
  size_t clients() const { return clients_.size(); }

 private:
  using RequestKey = std::pair<uint64_t, Priority>;
  static RequestKey KeyOf(SequenceId id, const Request& request);

  absl::node_hash_map<uint64_t, Share> clients_;
  absl::node_hash_map<RequestKey, Share> requests_;
};

}  // namespace batucada
