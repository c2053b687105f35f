// The scheduler's queue: who may enter it, and who is next to leave it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

bool RunsLess(const Owner& a, const Owner& b) {
  return std::pair(a.client->running, a.request->running) < std::pair(b.client->running, b.request->running);
}

}  // namespace

absl::Status Scheduler::Add(SequenceId id, Request request, absl::Time now) {
  auto sequence = std::make_unique<Sequence>();
  sequence->id = id;
  sequence->request = std::move(request);
  if (sequence->request.constraint != nullptr) sequence->constraint = sequence->request.constraint->Begin();
  sequence->finish.submitted = now;
  sequence->finish.prompt_tokens = sequence->prompt_length();
  const Sequence& s = *sequence;
  BATUCADA_CHECK(s.prompt_length() > 0 && s.request.max_tokens >= 0);
  if (s.controlled() && config_.control_rows == 0) {
    return absl::InvalidArgumentError(
        "the request changes logits (penalties, logit_bias, allowed_token_ids, bad_words or min_tokens), and this "
        "server "
        "keeps no memory for that: leave these out");
  }
  for (size_t group = 0; group < config_.kv.size(); ++group) {
    const int64_t usable = config_.kv[group].blocks - KeptBlocks(s, group);
    if (const int64_t need = BlocksFor(s, group); need > usable) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt and max_tokens together are ", s.prompt_length() + s.request.max_tokens,
                       " tokens and need ", need, " K/V blocks of ", config_.block_tokens, " tokens; this server has ",
                       usable, ": shorten the prompt or lower max_tokens"));
    }
  }
  sequence->owner = shares_.Find(id, s.request);
  client_share_.OnRequest(s.request.client, now);
  if (absl::Status full = CheckQueue(s); !full.ok()) {
    shares_.Forget(id, s.request);
    return full;
  }
  EnterQueue(*sequence);
  const bool inserted = sequences_.emplace(id, std::move(sequence)).second;
  BATUCADA_CHECK(inserted, "sequence ", id, " added twice");
  return absl::OkStatus();
}

absl::Status Scheduler::CheckQueue(const Sequence& s) const {
  const Waiting& waiting = WaitingLike(s);
  const auto full = [](const auto& what, int64_t waits, const auto& most, const char* flag) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full: ", waits, " ", what, " are waiting, at most ", most, " may (", flag, ")"));
  };
  const Share &client = *s.owner.client, &request = *s.owner.request;
  // A request enters with its first sequence. The others have places of their own, so that those of one request do not
  // keep other requests out.
  const int32_t more = waiting.sequences - waiting.requests;
  if (request.waiting == 0 && waiting.requests >= config_.max_waiting) {
    return full("requests", waiting.requests, config_.max_waiting, "--max-waiting");
  }
  if (request.waiting > 0 && more >= config_.max_waiting) {
    return full("further choices of requests", more, config_.max_waiting, "--max-waiting");
  }
  const int64_t free_tokens = config_.max_waiting_tokens - waiting.tokens;
  if (waiting.tokens > 0 && s.prompt_length() > free_tokens) {
    return full("prompt tokens", waiting.tokens, config_.max_waiting_tokens, "--max-waiting-tokens");
  }
  if (!WithinShare(config_.request_share, request.waiting_tokens, s.prompt_length(), free_tokens)) {
    return full("prompt tokens of this request", request.waiting_tokens + s.prompt_length(),
                absl::StrCat("a part of ", config_.request_share, " of what others leave"), "--request-share");
  }
  if (!WithinShare(client_share_.current(), client.waiting_tokens, s.prompt_length(), free_tokens) ||
      (request.waiting == 0 &&
       !WithinShare(client_share_.current(), client.waiting, 1, config_.max_waiting - waiting.requests))) {
    return full("requests of this client", client.waiting,
                absl::StrCat("a part of ", client_share_.current(), " of what others leave"), "--client-share");
  }
  return absl::OkStatus();
}

void Scheduler::EnterQueue(Sequence& s) {
  Waiting& waiting = WaitingLike(s);
  ++waiting.sequences;
  waiting.tokens += s.prompt_length();
  if (s.owner.request->waiting == 0) ++waiting.requests;
  for (Share* share : {s.owner.client, s.owner.request}) {
    ++share->waiting;
    share->waiting_tokens += s.prompt_length();
  }
  waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), &s, MoreUrgent), &s);
}

void Scheduler::LeaveQueue(const Sequence& s) {
  Waiting& waiting = WaitingLike(s);
  --waiting.sequences;
  waiting.tokens -= s.prompt_length();
  for (Share* share : {s.owner.client, s.owner.request}) {
    --share->waiting;
    share->waiting_tokens -= s.prompt_length();
  }
  if (s.owner.request->waiting == 0) --waiting.requests;
}

void Scheduler::AdmitWaiting(absl::Time now, BatchPlan& plan) {
  parkable_ = {};
  const bool overdue =
      std::any_of(parked_.begin(), parked_.end(), [&](const Sequence* s) { return !s->ended && Overdue(*s, now); });
  const bool urgent_waits = !waiting_.empty() && waiting_.front()->request.urgent();
  if (parking_places_ && urgent_waits && !overdue) parkable_ = CountParkable(now);
  while (slots_.available() > 0 || parkable_.slots > 0) {
    // Whoever is next waits for pages enough, and all others with it: else large ones would wait for ever.
    Sequence* const back = NextToReturn(now);
    const bool before_all = back != nullptr && Overdue(*back, now);
    const auto next = NextToAdmit();
    if (back != nullptr && (before_all || next == waiting_.end() || !MoreUrgent(*next, back))) {
      if (Return(*back, now, plan)) {
        parkable_ = {};  // the places in the host's memory that it leaves are still read by this plan
        continue;
      }
      // Slots that are kept for urgent ones would not be its own.
      const bool kept = before_all && next != waiting_.end() && (*next)->request.urgent();
      if (!kept || urgent_running_ >= config_.urgent_slots) return;
    }
    if (next == waiting_.end()) return;
    const size_t placement = placements_.size();
    bool admitted = Admit(**next, now, plan);
    if (!admitted && (*next)->request.urgent() && parkable_.slots > 0) {
      const bool parked = ParkFor(**next, now, plan);
      parkable_ = parked ? CountParkable(now) : Places{};
      admitted = parked && Admit(**next, now, plan);
      if (!admitted) continue;
    }
    if (!admitted) return;
    placements_.insert(placements_.begin() + static_cast<std::ptrdiff_t>(placement), {.id = (*next)->id});
    EnterRunning(next);
  }
}

void Scheduler::EnterRunning(std::deque<Sequence*>::iterator next) {
  Sequence& s = **next;
  LeaveQueue(s);
  s.admission = ++admissions_;
  running_.push_back(&s);
  if (config_.drafter != nullptr) config_.drafter->OnAdmitted(s.id, s.request);
  waiting_.erase(next);
}

std::deque<Sequence*>::iterator Scheduler::NextToAdmit() {
  auto next = waiting_.end();
  const Share* full = nullptr;  // a request that may have no more, and often has many waiting
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    const Owner& owner = (*it)->owner;
    if (next != waiting_.end() && MoreUrgent(*next, *it)) break;
    if (owner.request == full || !HasControlRow(**it)) continue;
    if (!WithinShares(**it)) {
      full = owner.request;
      continue;
    }
    if (next == waiting_.end() || RunsLess(owner, (*next)->owner)) next = it;
    // Nobody behind runs less.
    const bool first_of_all = (*next)->owner.client->running == 0 || shares_.clients() == 1;
    if (first_of_all && (*next)->owner.request->running == 0) break;
  }
  return next;
}

bool Scheduler::WithinShares(const Sequence& s) const {
  const Places& more = MoreFor(s);
  const auto within = [&](double share, const Share& has) {
    if (has.running == 0 || share >= 1) return true;
    if (!WithinShare(share, has.running, 1, slots_.available() - KeptSlots(s) + more.slots)) return false;
    const int64_t rows = control_rows_.available() - KeptControlRows(s) + more.control_rows;
    if (s.controlled() && !WithinShare(share, has.controlled, 1, rows)) return false;
    for (size_t group = 0; group < blocks_.size(); ++group) {
      const BlockPool& pool = blocks_[group];
      const int64_t free = pool.available() + pool.reclaimable() - KeptBlocks(s, group) + more.blocks[group];
      if (!WithinShare(share, has.blocks[group], BlocksFor(s, group), free)) return false;
    }
    return true;
  };
  return within(config_.request_share, *s.owner.request) && within(client_share_.current(), *s.owner.client);
}

bool Scheduler::Admit(Sequence& s, absl::Time now, BatchPlan& plan) {
  if (slots_.available() < 1 + KeptSlots(s)) return false;
  if (s.controlled() && control_rows_.available() <= KeptControlRows(s)) return false;  // parking may free one
  StateCheckpoint* hit = FindPrefix(s);
  if (!HaveBlocks(s, hit)) {
    if (hit == nullptr) return false;
    // The checkpoint itself may hold what is missing.
    prefix_->Unpin(std::exchange(hit, nullptr));
    if (!HaveBlocks(s, nullptr)) return false;
  }
  Deal(s, hit);
  s.finish.admitted = now;
  if (s.prefix != nullptr) UsePrefix(s, hit, now, plan);
  return true;
}

void Scheduler::Deal(Sequence& s, const StateCheckpoint* hit) {
  s.placed_in = next_step_;
  s.slot = *slots_.AllocateOne();
  if (s.controlled()) {
    s.control_row = *control_rows_.AllocateOne();
    for (Share* share : {s.owner.client, s.owner.request}) ++share->controlled;
  }
  s.blocks.resize(blocks_.size());
  for (size_t group = 0; group < blocks_.size(); ++group) {
    std::vector<PageId>& blocks = s.blocks[group];
    const std::span<const PageId> shared =
        hit == nullptr ? std::span<const PageId>() : prefix_->SharedBlocks(*hit, group);
    for (const PageId block : shared) blocks_[group].Share(block);
    blocks = *blocks_[group].Allocate(static_cast<int32_t>(BlocksFor(s, group) - std::ssize(shared)));
    blocks.insert(blocks.begin(), shared.begin(), shared.end());
    for (Share* share : {s.owner.client, s.owner.request}) share->blocks[group] += static_cast<int64_t>(blocks.size());
  }
  for (Share* share : {s.owner.client, s.owner.request}) ++share->running;
  urgent_running_ += s.request.urgent() ? 1 : 0;
}

void Scheduler::TakeBack(const Sequence& s) {
  slots_.Release(s.slot);
  if (s.control_row >= 0) {
    control_rows_.Release(s.control_row);
    for (Share* share : {s.owner.client, s.owner.request}) --share->controlled;
  }
  for (size_t group = 0; group < blocks_.size(); ++group) {
    blocks_[group].Release(s.blocks[group]);
    for (Share* share : {s.owner.client, s.owner.request}) share->blocks[group] -= std::ssize(s.blocks[group]);
  }
  for (Share* share : {s.owner.client, s.owner.request}) --share->running;
  urgent_running_ -= s.request.urgent() ? 1 : 0;
}

bool Scheduler::HaveBlocks(const Sequence& s, const StateCheckpoint* hit) {
  // One transaction: the slot and every block it will ever need, or nothing.
  for (size_t group = 0; group < blocks_.size(); ++group) {
    const auto shared = hit == nullptr ? 0 : static_cast<int64_t>(prefix_->SharedBlocks(*hit, group).size());
    const int64_t need = BlocksFor(s, group) - shared + KeptBlocks(s, group);
    if (blocks_[group].available() >= need) continue;
    if (blocks_[group].available() + blocks_[group].reclaimable() < need) return false;
    if (!prefix_->Reclaim(group, need)) return false;
  }
  return true;
}

}  // namespace batucada
