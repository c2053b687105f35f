// What the scheduler does with the cache of prefixes: sequences go on from checkpoints, wait for those that others are
// about to write, and write their own.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status.h"
#include "engine/schedule/in_flight.h"
#include "engine/schedule/scheduler.h"

namespace batucada {
namespace {

// The end of a prompt, and of an answer, is kept if it is so far from the checkpoint before it.
constexpr int64_t kLeastAnswer = 8;

// A disk that takes longer is slower than computing.
constexpr absl::Duration kMostFetching = absl::Seconds(2);

StoredPages PagesOf(const Sequence& s) { return {.slot = s.slot, .blocks = s.blocks}; }

void Append(std::vector<PageCopy>& to, const std::vector<PageCopy>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Where the sequence's computing goes on, or will when what it waits for is there.
int64_t Heading(const Sequence& s) {
  if (s.prefix->awaits != nullptr) return s.prefix->awaits->position();
  return s.prefix->resume != nullptr ? s.prefix->resume->position() : s.planned_tokens;
}

}  // namespace

StateCheckpoint* Scheduler::FindPrefix(Sequence& s) {
  const Request& r = s.request;
  const bool cacheable = prefix_ != nullptr && r.use_prefix_cache && !r.prompt_logprobs && r.max_tokens > 0 &&
                         s.prompt_length() > prefix_->config().least_tokens;
  if (!cacheable) return nullptr;
  if (s.prefix == nullptr) {
    s.prefix = std::make_unique<PrefixUse>();
    s.prefix->leaf = prefix_->Enter(r.cache_scope, r.prompt.vector(), &s.prefix->known);
  }
  // The last token is always computed: its logits are wanted.
  return prefix_->Find(s.prefix->leaf, s.prompt_length() - 1);
}

void Scheduler::UsePrefix(Sequence& s, StateCheckpoint* hit, absl::Time now, BatchPlan& plan) {
  PrefixUse& use = *s.prefix;
  const int64_t start = hit == nullptr ? 0 : hit->position();
  StateCheckpoint* coming =
      PrefixCache::FindComing(use.leaf, s.prompt_length() - 1, start + prefix_->config().worth_waiting - 1);
  const int64_t least =
      std::max(start + prefix_->config().worth_waiting - 1, coming == nullptr ? 0 : coming->position());
  if (StateCheckpoint* const fetched = prefix_->Fetch(use.leaf, s.prompt_length() - 1, least)) coming = fetched;
  if (coming == nullptr) coming = AskForCheckpoint(s, start);
  // What it waits for may never come, and the hit be gone by then.
  if (coming != nullptr && hit != nullptr && !OwnBlocks(s, *hit)) coming = nullptr;
  prefix_->CountLookup(s.prompt_length());
  if (coming != nullptr) {
    prefix_->CountWait();
    use.awaits = coming;
    use.awaits_disk_until = coming->on_way ? now + kMostFetching : absl::InfiniteFuture();
    if (hit != nullptr) prefix_->Unpin(hit);
  } else {
    prefix_->CountMissed(std::max<int64_t>(0, std::min(use.known, s.prompt_length() - 1) - start));
    if (hit != nullptr) Restore(s, hit, plan);
  }
  PromiseCheckpoints(s, coming != nullptr ? coming->position() : start);
}

// It was admitted with blocks that it shares with the checkpoint. Whoever goes on from another one writes into its
// blocks, and so must have its own.
bool Scheduler::OwnBlocks(Sequence& s, const StateCheckpoint& hit) {
  for (size_t group = 0; group < blocks_.size(); ++group) {
    const auto shared = static_cast<int64_t>(prefix_->SharedBlocks(hit, group).size());
    if (shared > 0 && blocks_[group].available() < shared + KeptBlocks(s, group)) return false;
  }
  for (size_t group = 0; group < blocks_.size(); ++group) {
    const std::span<const PageId> shared = prefix_->SharedBlocks(hit, group);
    const std::vector<PageId> own = *blocks_[group].Allocate(static_cast<int32_t>(shared.size()));
    blocks_[group].Release({shared.begin(), shared.end()});
    std::copy(own.begin(), own.end(), s.blocks[group].begin());
  }
  return true;
}

// Somebody who runs may be on the same way, and not have come so far: it writes a checkpoint where the two part.
StateCheckpoint* Scheduler::AskForCheckpoint(Sequence& s, int64_t start) {
  const int64_t position = std::min(s.prefix->known, s.prompt_length() - 1);
  if (position < start + prefix_->config().worth_waiting) return nullptr;
  for (Sequence* other : running_) {
    if (other->prefix == nullptr || other->ended || other->request.priority > s.request.priority) continue;
    if (other->prompt_length() < position || Heading(*other) >= position) continue;
    if (!prefix_->SharesUpTo(s.prefix->leaf, position, other->prefix->leaf)) continue;
    StateCheckpoint* const promised = prefix_->Promise(s.prefix->leaf, position);
    if (promised == nullptr) return nullptr;
    std::vector<StateCheckpoint*>& list = other->prefix->promised;
    const auto place = std::find_if(list.begin() + static_cast<std::ptrdiff_t>(other->prefix->next), list.end(),
                                    [position](const StateCheckpoint* c) { return c->position() > position; });
    list.insert(place, promised);
    return promised;
  }
  return nullptr;
}

// The client's own breakpoints; and unless these are to be all, where the prompt parted from those seen before, the
// borders of messages, a ladder in long prompts, and the prompt's end, which costs no cut.
void Scheduler::PromiseCheckpoints(Sequence& s, int64_t from) {
  const PrefixCacheConfig& c = prefix_->config();
  const int64_t length = s.prompt_length();
  std::vector<int64_t> chosen;
  const std::vector<int64_t>& breakpoints = s.request.breakpoints.vector();
  for (auto it = breakpoints.rbegin(); it != breakpoints.rend() && std::ssize(chosen) < c.most_cuts; ++it) {
    if (*it >= std::max(from + 1, c.least_tokens) && *it < length) chosen.push_back(*it);
  }
  const auto choose = [&](int64_t position) {
    const auto near = [&](int64_t other) { return std::abs(other - position) < c.least_tokens; };
    if (position < from + c.least_tokens || position >= length || std::any_of(chosen.begin(), chosen.end(), near))
      return;
    chosen.push_back(position);
  };
  if (!s.request.only_breakpoints) {
    choose(std::min(s.prefix->known, length - 1));
    // The first (what comes before all messages) and the newest.
    const std::vector<int64_t>& borders = s.request.checkpoints.vector();
    if (!borders.empty()) choose(*std::upper_bound(borders.begin(), borders.end() - 1, from));
    for (auto it = borders.rbegin(); it != borders.rend() && std::ssize(chosen) < c.most_cuts; ++it) choose(*it);
    for (int64_t step = from / c.ladder_tokens + 1; step * c.ladder_tokens < length; ++step)
      choose(step * c.ladder_tokens);
  }
  std::sort(chosen.begin(), chosen.end());
  const bool keeps_end = !s.request.only_breakpoints || (!breakpoints.empty() && breakpoints.back() == length);
  if (keeps_end && length >= (chosen.empty() ? from : chosen.back()) + kLeastAnswer) chosen.push_back(length);
  for (const int64_t position : chosen) {
    StateCheckpoint* const promised = prefix_->Promise(s.prefix->leaf, position);
    if (promised == nullptr) continue;
    promised->off_disk = s.request.keep_off_disk;
    promised->rung = position < length && position % c.ladder_tokens == 0;
    s.prefix->promised.push_back(promised);
  }
}

void Scheduler::NameSession(const Sequence& s, StateCheckpoint* tip) {
  const Request& r = s.request;
  if (!r.session.empty()) prefix_->sessions().Point(r.session_owner, r.session, tip, now_);
}

bool Scheduler::SessionEnds(uint64_t owner, std::string_view name) const {
  return std::any_of(sequences_.begin(), sequences_.end(), [&](const auto& entry) {
    const Sequence& s = *entry.second;
    return s.ended && s.prefix != nullptr && s.prefix->save && s.request.session_owner == owner &&
           s.request.session == name;
  });
}

void Scheduler::Restore(Sequence& s, StateCheckpoint* checkpoint, BatchPlan& plan) {
  s.placed_in = next_step_;
  for (size_t group = 0; group < blocks_.size(); ++group) {
    const std::span<const PageId> shared = prefix_->SharedBlocks(*checkpoint, group);
    for (size_t i = 0; i < shared.size(); ++i) {
      PageId& block = s.blocks[group][i];
      if (block == shared[i]) continue;
      blocks_[group].Share(shared[i]);
      blocks_[group].Release({block});
      block = shared[i];
    }
  }
  prefix_->CountHit(*checkpoint);
  std::vector<PageCopy> copies;
  const bool from_host = prefix_->Load(*checkpoint, s.slot, s.blocks, &copies);
  Append(from_host ? plan.copies.moved : plan.copies.restored, copies);
  if (from_host) {
    s.prefix->arriving = true;
    arriving_.push_back(s.id);
  }
  in_flight_.back().pinned.push_back(checkpoint);
  s.planned_tokens = s.first_position = s.finish.cached_tokens = checkpoint->position();
  // Somebody else may have come further than what it waited for, and than where it was to write.
  PrefixUse& use = *s.prefix;
  while (use.next < use.promised.size() && use.promised[use.next]->position() <= s.planned_tokens) {
    StateCheckpoint* const passed = use.promised[use.next++];
    prefix_->Drop(passed);
    ResolveWaiting(passed, /*ready=*/false);
  }
}

bool Scheduler::saved() const {
  // What a step writes is known to the cache, and on its way to the host, only when the step has ended.
  const auto writes = [](const InFlight& step) { return !step.written.empty() || !step.moving.empty(); };
  const bool under_way =
      std::any_of(in_flight_.begin(), in_flight_.end(), writes) || (in_parts_ != nullptr && writes(*in_parts_));
  return prefix_ == nullptr || (!under_way && prefix_->saved());
}

void Scheduler::Received(StateCheckpoint* checkpoint, bool filled) {
  if (filled) {
    prefix_->Received(checkpoint, filled);
    ResolveWaiting(checkpoint, /*ready=*/true);
    return;
  }
  // Who waits for it has to look again when it is gone.
  std::vector<Sequence*> waiting;
  for (Sequence* s : running_) {
    if (s->prefix == nullptr || s->prefix->awaits != checkpoint) continue;
    s->prefix->awaits = nullptr;
    waiting.push_back(s);
  }
  prefix_->Received(checkpoint, filled);
  for (Sequence* s : waiting) s->prefix->resume = prefix_->Find(s->prefix->leaf, s->prompt_length() - 1);
}

void Scheduler::PollDisk(absl::Time now) {
  prefix_->PollDisk([this](const StateCheckpoint* checkpoint, bool ready) { ResolveWaiting(checkpoint, ready); });
  if (!prefix_->fetching()) return;
  for (Sequence* s : running_) {
    if (s->prefix == nullptr || s->prefix->awaits == nullptr || s->prefix->awaits_disk_until > now) continue;
    s->prefix->awaits = nullptr;
    s->prefix->resume = prefix_->Find(s->prefix->leaf, s->prompt_length() - 1);
  }
}

void Scheduler::PlanPrefixes(BatchPlan& plan) {
  for (const SequenceId id : std::exchange(arriving_, {})) {
    if (const auto found = sequences_.find(id); found != sequences_.end()) found->second->prefix->arriving = false;
  }
  const std::vector<Sequence*> ending = std::exchange(ending_, {});
  for (Sequence* s : ending) SaveEnd(*s, plan);
  // Where a text's own end is not kept, what it had begun from can go to the disk only now that it has left, and there
  // may be no further plan for long.
  if (!ending.empty()) PollDisk(now_);
  for (Sequence* s : running_) {
    if (s->prefix == nullptr || s->prefix->resume == nullptr || s->ended) continue;
    Restore(*s, std::exchange(s->prefix->resume, nullptr), plan);
  }
}

void Scheduler::SaveEnd(Sequence& s, BatchPlan& plan) {
  PrefixUse& use = *s.prefix;
  const int64_t position = s.planned_tokens, count = position - s.prompt_length();
  const auto known = static_cast<int64_t>(use.generated.size());
  if (count > 0 && count <= known) {
    use.leaf = prefix_->Advance(use.leaf, std::span(use.generated).first(static_cast<size_t>(count)));
    StateCheckpoint* const above = prefix_->Find(use.leaf, position);
    const int64_t kept = above == nullptr ? 0 : above->position();
    if (above != nullptr) prefix_->Unpin(above);
    StateCheckpoint* const c = position >= kept + kLeastAnswer ? prefix_->Promise(use.leaf, position) : nullptr;
    if (c != nullptr && prefix_->Write(c, PagesOf(s), &plan.copies.ended)) {
      c->off_disk = s.request.keep_off_disk;
      in_flight_.back().written.push_back(c);
      NameSession(s, c);
    } else if (above != nullptr) {
      NameSession(s, above);
    }
  }
  Free(s);
}

void Scheduler::WriteCheckpoints(Sequence& s, BatchPlan& plan) {
  PrefixUse& use = *s.prefix;
  while (use.next < use.promised.size() && use.promised[use.next]->position() <= s.planned_tokens) {
    StateCheckpoint* const c = use.promised[use.next++];
    if (prefix_->Write(c, PagesOf(s), &plan.copies.saved)) {
      in_flight_.back().written.push_back(c);
      s.finish.cache_write_tokens = std::max<int64_t>(0, c->position() - s.finish.cached_tokens);
      NameSession(s, c);
      continue;
    }
    ResolveWaiting(c, /*ready=*/false);
  }
}

void Scheduler::DropPromises(Sequence& s) {
  PrefixUse& use = *s.prefix;
  const std::vector<StateCheckpoint*> left(use.promised.begin() + static_cast<std::ptrdiff_t>(use.next),
                                           use.promised.end());
  use.promised.resize(use.next);
  for (StateCheckpoint* c : left) {
    prefix_->Drop(c);
    ResolveWaiting(c, /*ready=*/false);
  }
  if (StateCheckpoint* const resume = std::exchange(use.resume, nullptr)) prefix_->Unpin(resume);
  use.awaits = nullptr;
}

void Scheduler::ResolveWaiting(const StateCheckpoint* checkpoint, bool ready) {
  for (Sequence* s : running_) {
    if (s->prefix == nullptr || s->prefix->awaits != checkpoint) continue;
    s->prefix->awaits = nullptr;
    // The longest there is: what was waited for, or what there was before.
    s->prefix->resume = prefix_->Find(s->prefix->leaf, s->prompt_length() - 1);
    BATUCADA_CHECK(!ready || s->prefix->resume != nullptr);
  }
}

void Scheduler::CommitPrefixes(const InFlight& step) {
  for (StateCheckpoint* c : step.written) {
    prefix_->Publish(c);
    ResolveWaiting(c, /*ready=*/true);
  }
  for (StateCheckpoint* c : step.moving) prefix_->Moved(c);
  for (StateCheckpoint* c : step.pinned) prefix_->Unpin(c);
}

void Scheduler::AbandonPrefixes() {
  for (auto& [id, s] : sequences_) {
    if (s->prefix == nullptr) continue;
    s->prefix->promised.clear();
    s->prefix->next = 0;
    s->prefix->awaits = s->prefix->resume = nullptr;
    s->prefix->save = false;
  }
  prefix_->Abandon();
  for (Sequence* s : std::exchange(ending_, {})) Free(*s);
}

}  // namespace batucada
