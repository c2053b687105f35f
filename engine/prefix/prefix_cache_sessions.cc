// States by the name of their session, and states that come from elsewhere.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "engine/prefix/prefix_cache.h"

namespace batucada {

bool PrefixCache::EraseSession(uint64_t owner, std::string_view name) {
  const SessionTable::Session* const session = sessions_.Find(owner, name);
  if (session == nullptr) return false;
  StateCheckpoint* const tip = session->tip;
  sessions_.Erase(owner, name);
  const bool idle = tip->state == StateCheckpoint::State::kReady && tip->pins == 0 && !tip->moving && !tip->on_way;
  if (idle && tip->node->children.empty() && !sessions_.StandsAt(tip)) Forget(tip);
  return true;
}

void PrefixCache::SaveSession(StateCheckpoint* tip) {
  const bool queued = std::find(to_write_.begin(), to_write_.end(), tip) != to_write_.end();
  if (config_.disk == nullptr || tip->off_disk || queued) return;
  if (tip->host.stored() && !tip->moving && !tip->on_way) to_write_.push_back(tip);
}

bool PrefixCache::BringToHost(StateCheckpoint* c) {
  if (!host_.exists() || c->state != StateCheckpoint::State::kReady) return false;
  if (c->host.stored()) return !c->moving;
  if (c->device.stored()) {
    if (std::find(to_move_.begin(), to_move_.end(), c) == to_move_.end()) to_move_.push_front(c);
    return false;
  }
  Fetch(c->node, c->position(), c->position() - 1);
  return false;
}

StateCheckpoint* PrefixCache::Receive(const std::string& scope, std::span<const int32_t> ids, StateCheckpoint** there) {
  *there = nullptr;
  if (!host_.exists() || !host_.CanHold(static_cast<int64_t>(ids.size()))) return nullptr;
  if (tree_.size() + static_cast<int64_t>(ids.size()) > config_.most_ids) TrimTree();
  int64_t known = 0;
  PrefixNode* const node = tree_.Extend(tree_.Root(scope), ids, &known);
  StateCheckpoint* c = node->checkpoint;
  if (c != nullptr) {
    *there = c;
    return nullptr;
  }
  ++node->users;  // while room is made
  auto made = std::make_unique<StateCheckpoint>();
  made->node = node;
  bool reserved = host_.Reserve(made->position(), &made->host);
  while (!reserved && MakeRoom(Tier::kHost)) reserved = host_.Reserve(made->position(), &made->host);
  --node->users;
  if (!reserved) return nullptr;
  made->state = StateCheckpoint::State::kReady;
  made->moving = made->on_way = true;
  made->used = ++clock_;
  c = node->checkpoint = made.get();
  checkpoints_.emplace(node, std::move(made));
  return c;
}

void PrefixCache::Received(StateCheckpoint* c, bool filled) {
  BATUCADA_CHECK(c->moving && c->on_way && c->record == 0);
  c->moving = c->on_way = false;
  if (filled) {
    List(c, kOnHost);
    if (watch_) watch_->Keep(c);
    Save(c);
    return;
  }
  host_.Release(&c->host);
  Forget(c);
}

}  // namespace batucada
