// Running sequences are put aside for urgent ones, and come back when there are places again.
#include <algorithm>
#include <tuple>
#include <utility>

#include "base/status.h"
#include "engine/schedule/in_flight.h"
#include "engine/schedule/scheduler.h"

namespace batucada {

bool Scheduler::MayBeParked(const Sequence& s, absl::Time now) const {
  // Whoever is about to end, whatever steps in flight draw, gives back its places sooner than parking would.
  const bool goes_on = s.wants_decode() || (!s.ended && s.prompt_left() > 0);
  // What this very plan fills cannot be read by it; who waits for another's checkpoint has nothing yet.
  const bool settled = s.placed_in != next_step_ && !s.in_parts && s.planned_tokens > s.parking.returned_at &&
                       (s.prefix == nullptr || !s.prefix->waits());
  return goes_on && settled && !s.request.urgent() && s.parking.times < config_.parking.most_times && !Overdue(s, now);
}

Scheduler::Places Scheduler::CountParkable(absl::Time now) const {
  Places places;
  for (const Sequence* s : running_) {
    if (!MayBeParked(*s, now)) continue;
    ++places.slots;
    places.control_rows += s->controlled() ? 1 : 0;
    for (size_t group = 0; group < blocks_.size(); ++group) places.blocks[group] += std::ssize(s->blocks[group]);
  }
  const int64_t room = parking_places_->capacity() - parking_places_->stored();
  places.slots = std::min(places.slots, room);
  places.control_rows = std::min(places.control_rows, room);
  return room > 0 ? places : Places{};
}

std::vector<Sequence*> Scheduler::ParkingOrder(absl::Time now) const {
  std::vector<Sequence*> order;
  std::copy_if(running_.rbegin(), running_.rend(), std::back_inserter(order),
               [&](const Sequence* s) { return MayBeParked(*s, now); });
  const auto place = [this](const Sequence* s) {
    int64_t blocks = 0;
    for (const KvGroupSize& group : config_.kv) blocks += group.BlocksFor(s->planned_tokens, config_.block_tokens);
    return std::tuple(-s->request.priority, s->parking.times, -s->owner.client->running, blocks);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Sequence* a, const Sequence* b) { return place(a) < place(b); });
  return order;
}

bool Scheduler::ParkFor(const Sequence& urgent, absl::Time now, BatchPlan& plan) {
  Places missing{.slots = std::max(1 - slots_.available(), 0),
                 .control_rows = urgent.controlled() ? std::max(1 - control_rows_.available(), 0) : 0};
  bool any = missing.slots + missing.control_rows > 0;
  for (size_t group = 0; group < blocks_.size(); ++group) {
    const int64_t free = blocks_[group].available() + blocks_[group].reclaimable();
    missing.blocks[group] = std::max<int64_t>(BlocksFor(urgent, group) - free, 0);
    any = any || missing.blocks[group] > 0;
  }
  if (!any) return false;
  const std::vector<Sequence*> order = ParkingOrder(now);
  for (Sequence* const& s : order) {
    if (ParkFirst({&s, 1}, missing, now, plan)) return true;
  }
  return ParkFirst(order, missing, now, plan);
}

bool Scheduler::ParkFirst(std::span<Sequence* const> order, Places missing, absl::Time now, BatchPlan& plan) {
  std::vector<std::pair<Sequence*, StoredPages>> chosen;
  std::vector<PageCopy> copies;
  const auto left = [&] {
    int64_t blocks = 0;
    for (const int64_t of_group : missing.blocks) blocks += of_group;
    return missing.slots + missing.control_rows + blocks;
  };
  const auto take = [](int64_t& from, int64_t what) { from = std::max<int64_t>(from - what, 0); };
  for (Sequence* s : order) {
    const Places before = missing;
    const int64_t was_left = left();
    if (was_left == 0) break;
    take(missing.slots, 1);
    take(missing.control_rows, s->controlled() ? 1 : 0);
    for (size_t group = 0; group < blocks_.size(); ++group) {
      if (missing.blocks[group] > 0) take(missing.blocks[group], blocks_[group].FreedBy(s->blocks[group]));
    }
    StoredPages pages;
    const StoredPages held{.slot = s->slot, .blocks = s->blocks};
    if (left() < was_left && parking_places_->Store(s->planned_tokens, held, Tier::kRunning, &pages, &copies)) {
      chosen.emplace_back(s, std::move(pages));
    } else {
      missing = before;
    }
  }
  if (left() > 0) {
    for (auto& [s, pages] : chosen) parking_places_->Release(&pages);
    return false;
  }
  plan.copies.ended.insert(plan.copies.ended.end(), copies.begin(), copies.end());
  for (auto& [s, pages] : chosen) Park(*s, std::move(pages), now, plan);
  return true;
}

void Scheduler::Park(Sequence& s, StoredPages pages, absl::Time now, BatchPlan& plan) {
  if (s.prefix != nullptr) DropPromises(s);
  if (s.control_row >= 0) {
    plan.copies.ended.push_back(
        {.group = kControls, .from = {Tier::kRunning, s.control_row}, .to = {Tier::kParked, pages.slot}});
  }
  // Steps in flight may still be computing in its places: the copies come after them, and whoever gets the places after
  // the copies. `blocks` stays as it is: plans in flight point to it.
  TakeBack(s);
  s.slot = s.control_row = -1;
  s.placed_in = next_step_;
  s.parking.pages = std::move(pages);
  s.parking.since = now;
  ++s.parking.times;
  for (Share* share : {s.owner.client, s.owner.request}) ++share->parked;
  running_.erase(std::find(running_.begin(), running_.end(), &s));
  parked_.push_back(&s);
  placements_.push_back({.id = s.id, .kind = Placement::Kind::kParked});
  ++times_parked_;
}

Sequence* Scheduler::NextToReturn(absl::Time now) const {
  Sequence* next = nullptr;
  for (Sequence* s : parked_) {
    // Its places may only be dealt when nothing in flight reads its block table, and it may have ended by then.
    if (s->ended || s->steps_in_flight > 0 || s->placed_in == next_step_ || !HasControlRow(*s)) continue;
    const auto turn = [&](const Sequence* each) { return std::pair(!Overdue(*each, now), each->request.priority); };
    const bool both_overdue = next != nullptr && Overdue(*next, now) && Overdue(*s, now);
    if (next == nullptr || (!both_overdue && turn(s) < turn(next))) next = s;
  }
  return next;
}

bool Scheduler::Return(Sequence& s, absl::Time now, BatchPlan& plan) {
  if (slots_.available() < 1 + KeptSlots(s) || !HaveBlocks(s, nullptr)) return false;
  Parking& parking = s.parking;
  Deal(s, nullptr);
  parking_places_->Load(s.planned_tokens, parking.pages, s.slot, s.blocks, &plan.copies.moved);
  if (s.control_row >= 0) {
    plan.copies.moved.push_back(
        {.group = kControls, .from = {Tier::kParked, parking.pages.slot}, .to = {Tier::kRunning, s.control_row}});
  }
  paused_ += now - parking.since;
  parking.before = parking.Total(now);
  parking_places_->Release(&parking.pages);
  parking.arriving = true;
  parking.returned_at = s.planned_tokens;
  returning_.push_back(s.id);
  for (Share* share : {s.owner.client, s.owner.request}) --share->parked;
  parked_.erase(std::find(parked_.begin(), parked_.end(), &s));
  const auto later = [](const Sequence* a, const Sequence* b) { return a->admission < b->admission; };
  running_.insert(std::upper_bound(running_.begin(), running_.end(), &s, later), &s);
  placements_.push_back({.id = s.id, .kind = Placement::Kind::kReturned});
  ++times_returned_;
  if (s.prefix != nullptr && s.prompt_left() > 0) PromiseCheckpoints(s, s.planned_tokens);
  return true;
}

ParkingStats Scheduler::CountParked() const {
  ParkingStats stats{.parked = std::ssize(parked_),
                     .times_parked = times_parked_,
                     .times_returned = times_returned_,
                     .paused = paused_};
  for (const Sequence* s : parked_) {
    for (size_t group = 0; group < blocks_.size(); ++group) {
      stats.blocks[group] += std::ssize(s->parking.pages.blocks[group]);
    }
  }
  return stats;
}

}  // namespace batucada
