// The tier behind the host's memory.
#include <algorithm>
#include <functional>
#include <utility>

#include "base/status.h"
#include "engine/prefix/prefix_cache.h"

namespace batucada {
namespace {

// Of what is about to go on the disk, a quarter may be written again: so a disk writes at most a third more than what
// comes to it.
constexpr size_t kKeptPart = 4;

// Not while a sequence stands there: it goes on to another one. Where a text has done so, that one is what somebody
// will want; what its ladder is for is still to come. Nobody stands at a message's border, shortly before a prompt's
// end, and it is written: an answer may come back as other tokens, or without what was thought.
bool Wanted(const StateCheckpoint& c) { return c.node->users == 0 && (!c.left_behind() || c.rung); }

}  // namespace

void PrefixCache::Adopt() {
  for (CheckpointDisk::Found& found : config_.disk->TakeFound()) {
    // The newest come last, and are worth most.
    while (tree_.size() + static_cast<int64_t>(found.ids.size()) > config_.most_ids && !listed_[kOnDisk].empty()) {
      Forget(listed_[kOnDisk].front());
      tree_.Trim(config_.most_ids, 1);
    }
    int64_t known = 0;
    PrefixNode* const node = tree_.Extend(tree_.Root(found.scope), found.ids, &known);
    if (node->parent == nullptr) continue;
    if (node->checkpoint == nullptr) {
      auto c = std::make_unique<StateCheckpoint>();
      c->node = node;
      c->state = StateCheckpoint::State::kReady;
      c->used = ++clock_;
      node->checkpoint = c.get();
      checkpoints_.emplace(node, std::move(c));
    }
    LoseRecord(node->checkpoint);
    SetRecord(node->checkpoint, found.record);
    if (watch_) watch_->Keep(node->checkpoint);
    if (!found.names.empty()) sessions_.Adopt(found.names, node->checkpoint, absl::InfinitePast());
  }
  for (const auto& [node, c] : checkpoints_) Supersede(*c);
}

void PrefixCache::SetRecord(StateCheckpoint* c, CheckpointDisk::Record record) {
  c->record = record;
  recorded_.emplace(record, c);
  List(c, kOnDisk);
}

void PrefixCache::LoseRecord(StateCheckpoint* c) {
  if (c->record == 0) return;
  recorded_.erase(std::exchange(c->record, 0));
  Unlist(c, kOnDisk);
}

StateCheckpoint* PrefixCache::Fetch(PrefixNode* leaf, int64_t most, int64_t least) {
  if (config_.disk == nullptr) return nullptr;
  for (const PrefixNode* node = leaf; node != nullptr && node->end > least; node = node->parent) {
    StateCheckpoint* const c = node->checkpoint;
    if (c == nullptr || node->end > most || !c->cold() || c->record == 0) continue;
    if (!host_.CanHold(c->position())) continue;
    while (!host_.Reserve(c->position(), &c->host)) {
      if (!MakeRoom(Tier::kHost)) return nullptr;
    }
    c->moving = c->on_way = true;
    on_way_.emplace(c->record, c);
    ++fetching_;
    config_.disk->Read(c->record, c->host);
    return c;
  }
  return nullptr;
}

void PrefixCache::PollDisk(absl::FunctionRef<void(const StateCheckpoint*, bool)> told) {
  if (config_.disk == nullptr) return;
  for (const CheckpointDisk::Record record : config_.disk->TakeGone()) {
    const auto found = recorded_.find(record);
    if (found == recorded_.end()) continue;
    StateCheckpoint* const c = found->second;
    LoseRecord(c);
    // What is still wanted enough to have a place on the host gets another on the disk.
    Save(c);
    if (c->cold()) Forget(c);
  }
  for (const CheckpointDisk::Done& done : config_.disk->TakeDone()) {
    const auto found = on_way_.find(done.record);
    BATUCADA_CHECK(found != on_way_.end(), "record ", done.record, " was not asked for");
    StateCheckpoint* const c = found->second;
    on_way_.erase(found);
    c->on_way = false;
    if (!std::exchange(c->moving, false)) {  // written
      if (done.ok) {
        ++stats_.disk_written;
      } else if (c->record == done.record) {
        LoseRecord(c);
      }
      continue;
    }
    --fetching_;
    if (done.ok) {
      List(c, kOnHost);
      Save(c);
      c->used = ++clock_;
      ++stats_.disk_hits;
      stats_.disk_hit_tokens += static_cast<uint64_t>(c->position());
    } else {
      host_.Release(&c->host);
      LoseRecord(c);
    }
    told(c, done.ok);
    if (!done.ok && c->cold()) Forget(c);
  }
  KeepSome(config_.disk->TakeLeaving());
  BeginWrites();
}

void PrefixCache::KeepSome(const std::vector<CheckpointDisk::Record>& leaving) {
  std::vector<std::pair<double, CheckpointDisk::Record>> worth;
  for (const CheckpointDisk::Record record : leaving) {
    const auto found = recorded_.find(record);
    if (found != recorded_.end() && !found->second->left_behind()) worth.emplace_back(Worth(*found->second), record);
  }
  std::sort(worth.begin(), worth.end(), std::greater());
  worth.resize(std::min(worth.size(), leaving.size() / kKeptPart));
  std::vector<CheckpointDisk::Kept> kept;
  kept.reserve(worth.size());
  for (const auto& [value, record] : worth) {
    kept.push_back({.record = record, .names = sessions_.NamesAt(recorded_.at(record))});
  }
  if (!kept.empty()) config_.disk->Keep(std::move(kept));
}

void PrefixCache::Save(StateCheckpoint* c) {
  const bool there = c->state == StateCheckpoint::State::kReady && c->host.stored() && !c->moving && !c->on_way;
  if (config_.disk == nullptr || !there || c->record != 0 || c->off_disk || !Wanted(*c)) return;
  if (std::find(to_write_.begin(), to_write_.end(), c) == to_write_.end()) to_write_.push_back(c);
}

void PrefixCache::BeginWrites() {
  while (!to_write_.empty()) {
    // A long prompt has a rung for every few thousand tokens: where the disk is behind, what somebody is about to go on
    // from does not wait for them.
    const auto end =
        std::find_if(to_write_.begin(), to_write_.end(), [](const auto* waiting) { return !waiting->rung; });
    const auto next = end == to_write_.end() ? to_write_.begin() : end;
    StateCheckpoint* const c = *next;
    if (Wanted(*c)) {
      const CheckpointDisk::Record record =
          config_.disk->Write(PrefixTree::ScopeOf(c->node), sessions_.NamesAt(c), PrefixTree::TextOf(c->node), c->host);
      if (record == 0) return;
      LoseRecord(c);
      SetRecord(c, record);
      c->on_way = true;
      on_way_.emplace(record, c);
    }
    to_write_.erase(next);
  }
}

}  // namespace batucada
