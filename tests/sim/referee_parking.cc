// What the referee knows of who is parked.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/referee.h"

namespace batucada::sim {
namespace {

const PageCopy* Find(const std::vector<PageCopy>& copies, int32_t group, PageRef from) {
  const auto found = std::find_if(copies.begin(), copies.end(),
                                  [&](const PageCopy& copy) { return copy.group == group && copy.from == from; });
  return found == copies.end() ? nullptr : &*found;
}

}  // namespace

void Referee::OnPlacements(const BatchPlan& plan) {
  returned_ = false;
  for (auto& [id, life] : lives_) {
    life.arriving = false;
    life.before_plan = life.next_position;
  }
  bool urgent = false;  // the one admitted last, since when at most others were parked
  for (const Placement& placement : plan.placements) {
    const auto life = lives_.find(placement.id);
    switch (placement.kind) {
      case Placement::Kind::kAdmitted:
        urgent = life != lives_.end() && life->second.request.urgent();
        OnAdmitted(placement.id);
        break;
      case Placement::Kind::kParked:
        if (!urgent) Broke(absl::StrCat("parking: ", placement.id, " is parked for nobody"));
        OnParked(plan, placement.id);
        break;
      case Placement::Kind::kReturned:
        urgent = false;
        OnReturned(plan, placement.id);
        break;
    }
  }
}

bool Referee::Overdue(const Life& life) const {
  return life.parked_before + (life.parked ? now_ - life.parked_since : absl::ZeroDuration()) >=
         config_.parking.most_time;
}

bool Referee::MayBeParked(const Life& life) const {
  const bool goes_on = WantsDecode(life) || (life.runs() && life.next_position < PromptLength(life.request));
  return goes_on && !life.in_parts && life.before_plan > life.returned_at && life.placed_in != planning_ &&
         !life.request.urgent() && life.times_parked < config_.parking.most_times && !Overdue(life);
}

void Referee::OnParked(const BatchPlan& plan, SequenceId id) {
  Mix(id + 1);
  const auto found = lives_.find(id);
  if (found == lives_.end() || !MayBeParked(found->second)) {
    return Broke(absl::StrCat("parking: ", id, " is parked and may not be"));
  }
  for (const auto& [other, life] : lives_) {
    if (life.parked && Overdue(life)) Broke(absl::StrCat("parking: ", id, " is parked before ", other, " is back"));
  }
  Life& life = found->second;
  // A sequence that was never computed has a place that the referee does not know, and nothing in it.
  if (life.slot >= 0) {
    const PageCopy* const copy = Find(plan.copies.ended, kSlots, {Tier::kRunning, life.slot});
    if (copy == nullptr || copy->to.tier != Tier::kParked) {
      return Broke(absl::StrCat("parking: the slot of ", id, " is not copied"));
    }
    life.parked_slot = copy->to.page;
    if (life.control_row >= 0 && Find(plan.copies.ended, kControls, {Tier::kRunning, life.control_row}) == nullptr)
      Broke(absl::StrCat("parking: the controls of ", id, " are not copied"));
    slot_owner_[static_cast<size_t>(life.slot)] = 0;
    if (life.control_row >= 0) control_owner_[static_cast<size_t>(life.control_row)] = 0;
    for (const PageId block : life.blocks) block_owner_[static_cast<size_t>(block)] = 0;
    // The copies come after what steps in flight write.
    for (Touched& step : in_flight_) {
      std::erase(step.slots, life.slot);
      std::erase(step.control_rows, life.control_row);
      std::erase_if(step.blocks, [&](PageId block) {
        return std::find(life.blocks.begin(), life.blocks.end(), block) != life.blocks.end();
      });
    }
  }
  for (size_t group = 0; group < config_.kv.size(); ++group) {
    const int64_t all = (life.next_position + config_.block_tokens - 1) / config_.block_tokens;
    life.parked_blocks[group] = std::min<int64_t>(all, config_.kv[group].most_per_sequence);
  }
  life.slot = life.control_row = -1;
  life.blocks.clear();
  life.parked = true;
  life.parked_since = now_;
  life.placed_in = planning_;
  ++life.times_parked;
}

void Referee::OnReturned(const BatchPlan& plan, SequenceId id) {
  Mix(id + 2);
  returned_ = true;
  const auto found = lives_.find(id);
  const Holdings held = Held();
  if (found == lives_.end() || !found->second.parked || !CanReturn(id, found->second, held)) {
    return Broke(absl::StrCat("parking: ", id, " comes back and cannot"));
  }
  Life& life = found->second;
  const bool overdue = Overdue(life);
  for (const auto& [other_id, other] : lives_) {
    const bool earlier = other.request.priority < life.request.priority;
    if (other.parked && CanReturn(other_id, other, held) && !overdue && (Overdue(other) || earlier)) {
      Broke(absl::StrCat("parking: ", id, " comes back before ", other_id));
    }
    const bool could = !other.admitted && HasControlRow(other, held, {}) && WithinShares(other, held, {});
    if (could && earlier && !overdue) Broke(absl::StrCat("order: ", id, " comes back before ", other_id));
  }
  if (life.parked_slot >= 0) {
    const PageCopy* const copy = Find(plan.copies.moved, kSlots, {Tier::kParked, life.parked_slot});
    if (copy == nullptr || copy->to.tier != Tier::kRunning) {
      return Broke(absl::StrCat("parking: the slot of ", id, " is not copied back"));
    }
    life.arriving_slot = copy->to.page;
  }
  life.returned_at = life.next_position;
  life.parked_before += now_ - life.parked_since;
  life.parked = false;
  life.arriving = true;
  life.parked_slot = -1;
  life.parked_blocks = {};
  life.placed_in = planning_;
}

bool Referee::CanReturn(SequenceId id, const Life& life, const Holdings& held) const {
  return life.placed_in != planning_ && !InFlight(id) && HasControlRow(life, held, {});
}

const Referee::Life* Referee::ReturnsBefore(Priority priority, const Holdings& held) const {
  for (const auto& [id, life] : lives_) {
    if (!life.parked || !CanReturn(id, life, held)) continue;
    if (Overdue(life) || life.request.priority <= priority) return &life;
  }
  return nullptr;
}

bool Referee::Fits(const Life& life, const Holdings& held) const {
  const int64_t kept = KeptSlots(life, held);
  bool fits = config_.slots - held.all.slots >= 1 + kept;
  for (size_t group = 0; group < config_.kv.size(); ++group) {
    const KvGroupSize& size = config_.kv[group];
    fits =
        fits && size.blocks - held.all.blocks[group] >= BlocksFor(life.request)[group] + kept * size.most_per_sequence;
  }
  return fits;
}

void Referee::CheckParked(const SchedulerStats& stats, bool planned) {
  int64_t parked = 0;
  GroupCounts blocks = {};
  const auto add = [&](const Life& life) {
    if (!life.parked) return;
    ++parked;
    for (size_t group = 0; group < blocks.size(); ++group) blocks[group] += life.parked_blocks[group];
  };
  for (const auto& [id, life] : lives_) add(life);
  for (const Ended& ended : ended_in_flight_) add(ended.life);
  if (parked != stats.parking.parked || blocks != stats.parking.blocks) {
    Broke(absl::StrCat("no leak: ", stats.parking.parked, " are parked, not ", parked, ", or not in their blocks"));
  }
  bool fit = parked <= config_.parking.room.slots;
  for (size_t group = 0; fit && parked > 0 && group < config_.kv.size(); ++group) {
    fit = blocks[group] <= config_.parking.room.blocks[group];
  }
  if (!fit) Broke("parking: more are parked than there is room for");
  if (!planned) return;
  // Who is next to come back fits nowhere; unless somebody more urgent is next.
  const Holdings held = Held();
  const Life* first = nullptr;
  const auto turn = [this](const Life& life) { return std::pair(!Overdue(life), life.request.priority); };
  for (const auto& [id, life] : lives_) {
    if (!life.parked || !CanReturn(id, life, held)) continue;
    if (first == nullptr || turn(life) < turn(*first)) first = &life;
  }
  if (first == nullptr) return;
  const Life* const next = Overdue(*first) ? nullptr : Next(held, MostParkable());
  if (next != nullptr && next->request.priority < first->request.priority) return;
  for (const auto& [id, life] : lives_) {
    // Those whose time is over come back in the order in which they were parked, whatever their priorities.
    const bool alike = Overdue(*first) ? Overdue(life) : turn(life) == turn(*first);
    if (!life.parked || !CanReturn(id, life, held) || !alike) continue;
    if (!Fits(life, held)) return;  // it may be the one that the others wait behind
  }
  Broke("parking: there are pages for who is next to come back, and it does not");
}

Referee::Has Referee::MostParkable() const {
  Has most;
  if (config_.parking.room.slots == 0) return most;
  for (const auto& [id, life] : lives_) {
    if (!life.admitted || life.request.urgent()) continue;
    ++most.slots;
    most.control_rows += life.request.sampling.controls_logits() ? 1 : 0;
    for (size_t group = 0; group < config_.kv.size(); ++group) most.blocks[group] += BlocksFor(life.request)[group];
  }
  return most;
}

void Referee::CheckUrgent(const Life& next, const Holdings& held) {
  if (!next.request.urgent() || returned_ || Next(held, MostParkable()) != &next) return;
  int64_t parked = 0;
  GroupCounts room = {};
  for (size_t group = 0; config_.parking.room.slots > 0 && group < config_.kv.size(); ++group) {
    room[group] = config_.parking.room.blocks[group];
  }
  const auto add = [&](const Life& life) {
    if (!life.parked) return;
    ++parked;
    for (size_t group = 0; group < room.size(); ++group) room[group] -= life.parked_blocks[group];
  };
  for (const Ended& ended : ended_in_flight_) add(ended.life);
  for (const auto& [id, life] : lives_) {
    add(life);
    if (life.parked && Overdue(life)) return;
  }
  if (parked >= config_.parking.room.slots) return;
  for (const auto& [id, life] : lives_) {
    if (!MayBeParked(life)) continue;
    Holdings without = held;
    --without.all.slots;
    bool has_room = true;
    const int64_t blocks = (life.next_position + config_.block_tokens - 1) / config_.block_tokens;
    for (size_t group = 0; group < config_.kv.size(); ++group) {
      without.all.blocks[group] -= BlocksFor(life.request)[group];
      has_room = has_room && room[group] >= std::min<int64_t>(blocks, config_.kv[group].most_per_sequence);
    }
    if (has_room && Fits(next, without)) {
      return Broke(absl::StrCat("parking: an urgent one waits, and ", id, " could make room"));
    }
  }
}

}  // namespace batucada::sim
