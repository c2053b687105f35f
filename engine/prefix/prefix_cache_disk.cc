// The tier behind the host's memory.
#include <utility>

#include "base/status.h"
#include "engine/prefix/prefix_cache.h"

namespace batucada {

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
    if (!found.names.empty()) sessions_.Adopt(found.names, node->checkpoint, absl::InfinitePast());
  }
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
    if (c->host.stored() && !c->moving && !c->on_way && !c->off_disk) to_write_.push_back(c);
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
      if (c->record == 0) to_write_.push_back(c);
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
  BeginWrites();
}

void PrefixCache::BeginWrites() {
  while (!to_write_.empty()) {
    StateCheckpoint* const c = to_write_.front();
    // Where its text has gone on to another, that one is what somebody will want.
    if (!c->superseded || c->node->children.size() > 1) {
      const CheckpointDisk::Record record =
          config_.disk->Write(PrefixTree::ScopeOf(c->node), sessions_.NamesAt(c), PrefixTree::TextOf(c->node), c->host);
      if (record == 0) return;
      LoseRecord(c);
      SetRecord(c, record);
      c->on_way = true;
      on_way_.emplace(record, c);
    }
    to_write_.pop_front();
  }
}

}  // namespace batucada
