#include "engine/prefix/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

// Candidates that an eviction compares. More find a slightly worse one to lose and take longer.
constexpr size_t kCandidates = 32;
// Nodes of the tree that are looked at when a prompt comes and there are too many ids.
constexpr int kTrimmed = 16;
// Others that may go for one that comes.
constexpr int kMostEvictions = 64;
// What one that its text has left behind counts beside others.
constexpr double kSuperseded = 1.0 / 16;

bool MayLeaveDevice(const StateCheckpoint& c) {
  return c.state == StateCheckpoint::State::kReady && c.pins == 0 && !c.moving;
}
bool MayGo(const StateCheckpoint& c) { return MayLeaveDevice(c) && !c.on_way; }

}  // namespace

PrefixCache::PrefixCache(const PrefixCacheConfig& config, const std::vector<KvGroupSize>& kv, int32_t block_tokens,
                         std::deque<BlockPool>* running)
    : config_(config), running_(running), device_(Tier::kDevice, config.device, kv, block_tokens, running),
      host_(Tier::kHost, config.host, kv, block_tokens, running) {
  BATUCADA_CHECK(device_.exists());
  BATUCADA_CHECK(config_.disk == nullptr || host_.exists());
  if (config_.watched) watch_.emplace();
  if (config_.disk != nullptr) Adopt();
}

PrefixCache::~PrefixCache() {
  for (auto& [node, c] : checkpoints_) c->on_way = false;  // the pages' memory outlives the disk's use of it
  Abandon();
  while (!listed_[kOnHost].empty()) Evict(listed_[kOnHost].back(), Tier::kHost);
}

PrefixNode* PrefixCache::Enter(const std::string& scope, std::span<const int32_t> prompt, int64_t* known) {
  if (tree_.size() + static_cast<int64_t>(prompt.size()) > config_.most_ids) TrimTree();
  PrefixNode* const leaf = tree_.Extend(tree_.Root(scope), prompt, known);
  ++leaf->users;
  return leaf;
}

PrefixNode* PrefixCache::Advance(PrefixNode* leaf, std::span<const int32_t> ids) {
  int64_t known = 0;
  PrefixNode* const next = tree_.Extend(leaf, ids, &known);
  ++next->users;
  --leaf->users;
  return next;
}

void PrefixCache::Leave(PrefixNode* leaf) {
  --leaf->users;
  const PrefixNode* node = leaf;
  while (node != nullptr && node->checkpoint == nullptr) node = node->parent;
  if (node != nullptr) Save(node->checkpoint);
}

void PrefixCache::TrimTree() {
  // A little at a time, so that no step waits for it.
  tree_.Trim(config_.most_ids, kTrimmed);
  // What is left may be texts with checkpoints.
  for (int i = 0; i < kTrimmed && tree_.size() > config_.most_ids; ++i) {
    for (const Tier tier : {Tier::kDevice, Tier::kHost}) {
      if (StateCheckpoint* const victim = Victim(IndexOf(tier))) Evict(victim, tier);
    }
    // Its record stays where it is, for whoever reads the disk next.
    if (StateCheckpoint* const victim = Victim(kOnDisk); victim != nullptr && victim->cold()) Forget(victim);
    tree_.Trim(config_.most_ids, kTrimmed);
  }
}

StateCheckpoint* PrefixCache::Find(PrefixNode* leaf, int64_t most) {
  for (const PrefixNode* node = leaf; node != nullptr; node = node->parent) {
    StateCheckpoint* const c = node->checkpoint;
    if (c == nullptr || node->end > most || !c->usable()) continue;
    c->used = ++clock_;
    Pin(c);
    return c;
  }
  return nullptr;
}

StateCheckpoint* PrefixCache::FindComing(PrefixNode* leaf, int64_t most, int64_t least) {
  for (const PrefixNode* node = leaf; node != nullptr && node->end > least; node = node->parent) {
    StateCheckpoint* const c = node->checkpoint;
    if (c != nullptr && node->end <= most && c->coming()) return c;
  }
  return nullptr;
}

StateCheckpoint* PrefixCache::Promise(PrefixNode* below, int64_t position) {
  PrefixNode* const node = tree_.At(below, position);
  if (StateCheckpoint* const there = node->checkpoint; there != nullptr) {
    if (!there->cold()) return nullptr;
    there->state = StateCheckpoint::State::kPromised;  // nobody could bring it back in time
    return there;
  }
  auto promised = std::make_unique<StateCheckpoint>();
  promised->node = node;
  node->checkpoint = promised.get();
  checkpoints_.emplace(node, std::move(promised));
  return node->checkpoint;
}

bool PrefixCache::Write(StateCheckpoint* c, const StoredPages& sequence, std::vector<PageCopy>* copies) {
  BATUCADA_CHECK(c->state == StateCheckpoint::State::kPromised);
  bool stored = false;
  for (int i = 0; device_.CanHold(c->position()) && i < kMostEvictions; ++i) {
    stored = device_.Store(c->position(), sequence, Tier::kRunning, &c->device, copies);
    if (stored || !MakeRoom(Tier::kDevice)) break;
  }
  if (!stored) {
    GiveUp(c);
    return false;
  }
  c->state = StateCheckpoint::State::kWriting;
  List(c, kOnDevice);
  return true;
}

void PrefixCache::Publish(StateCheckpoint* c) {
  BATUCADA_CHECK(c->state == StateCheckpoint::State::kWriting);
  c->state = StateCheckpoint::State::kReady;
  c->used = ++clock_;
  if (host_.exists()) to_move_.push_back(c);
  if (watch_) watch_->Keep(c);
  const StateCheckpoint* const above = Above(*c);
  ++stats_.written;
  stats_.written_tokens += static_cast<uint64_t>(c->position() - (above == nullptr ? 0 : above->position()));
  if (above == nullptr) return;
  if (StateCheckpoint* const parts = Supersede(*c)) Save(parts);
  CapPath(c);
}

StateCheckpoint* PrefixCache::Supersede(const StateCheckpoint& c) {
  StateCheckpoint* const above = Above(c);
  if (above == nullptr) return nullptr;
  for (const PrefixNode* node = c.node->parent; node != above->node->parent; node = node->parent) {
    if (node->children.size() > 1) return above;
  }
  above->superseded = true;
  return nullptr;
}

void PrefixCache::Drop(StateCheckpoint* c) {
  BATUCADA_CHECK(c->state != StateCheckpoint::State::kReady);
  Lose(c, Tier::kDevice);
  GiveUp(c);
}

bool PrefixCache::Load(const StateCheckpoint& c, PageId slot, const std::vector<std::vector<PageId>>& blocks,
                       std::vector<PageCopy>* copies) const {
  BATUCADA_CHECK(c.state == StateCheckpoint::State::kReady);
  const bool from_host = !c.device.stored();
  (from_host ? host_ : device_).Load(c.position(), from_host ? c.host : c.device, slot, blocks, copies);
  return from_host;
}

std::span<const PageId> PrefixCache::SharedBlocks(const StateCheckpoint& c, size_t group) const {
  if (!c.device.stored()) return {};
  return device_.SharedBlocks(c.position(), c.device, group);
}

void PrefixCache::PlanMoves(std::vector<PageCopy>* copies, std::vector<StateCheckpoint*>* moving) {
  for (int32_t i = 0; i < config_.most_moves && !to_move_.empty(); ++i) {
    StateCheckpoint* const c = to_move_.front();
    to_move_.pop_front();
    bool stored = false;
    for (int tries = 0; host_.CanHold(c->position()) && tries < kMostEvictions; ++tries) {
      stored = host_.Store(c->position(), c->device, Tier::kDevice, &c->host, copies);
      if (stored || !MakeRoom(Tier::kHost)) break;
    }
    if (!stored) continue;
    c->moving = true;
    moving->push_back(c);
  }
}

void PrefixCache::Moved(StateCheckpoint* c) {
  c->moving = false;
  List(c, kOnHost);
  Save(c);
}

bool PrefixCache::Reclaim(size_t group, int64_t blocks) {
  while ((*running_)[group].available() < blocks) {
    if (!MakeRoom(Tier::kDevice)) return false;
  }
  return true;
}

void PrefixCache::Abandon() {
  std::vector<StateCheckpoint*> all;
  for (auto& [node, c] : checkpoints_) all.push_back(c.get());
  to_move_.clear();
  for (StateCheckpoint* c : all) {
    c->pins = 0;
    if (c->moving && !c->on_way) {
      c->moving = false;
      host_.Release(&c->host);
    }
    if (c->state != StateCheckpoint::State::kReady) {
      Drop(c);
    } else if (c->device.stored() || (c->cold() && c->record == 0)) {
      Evict(c, Tier::kDevice);
    }
  }
}

void PrefixCache::CountLookup(int64_t prompt_tokens) {
  ++stats_.lookups;
  stats_.queried_tokens += static_cast<uint64_t>(prompt_tokens);
}

void PrefixCache::CountHit(const StateCheckpoint& found) {
  const auto tokens = static_cast<uint64_t>(found.position());
  const bool on_device = found.device.stored();
  ++stats_.hits;
  stats_.hit_tokens += tokens;
  stats_.host_hits += on_device ? 0 : 1;
  stats_.host_hit_tokens += on_device ? 0 : tokens;
}

PrefixCacheStats PrefixCache::stats() const {
  PrefixCacheStats stats = stats_;
  stats.device_stored = device_.stored();
  stats.device_capacity = device_.capacity();
  stats.host_stored = host_.stored();
  stats.host_capacity = host_.capacity();
  stats.tree_tokens = tree_.tokens();
  stats.sessions = static_cast<int64_t>(sessions_.size());
  if (config_.disk == nullptr) return stats;
  const CheckpointDiskStats disk = config_.disk->stats();
  stats.disk_stored = disk.stored;
  stats.disk_bytes = disk.bytes;
  stats.disk_written += disk.moved;
  stats.disk_dropped = disk.dropped;
  stats.disk_errors = disk.errors;
  return stats;
}

StateCheckpoint* PrefixCache::Above(const StateCheckpoint& c) {
  for (const PrefixNode* node = c.node->parent; node != nullptr; node = node->parent) {
    StateCheckpoint* const above = node->checkpoint;
    if (above != nullptr && above->state == StateCheckpoint::State::kReady) return above;
  }
  return nullptr;
}

double PrefixCache::Worth(const StateCheckpoint& c) const {
  // Those left behind are as good as gone: with them counted, what supersedes one would be worth the few tokens since
  // it, and would go before it. For one of themselves they are there.
  const StateCheckpoint* above = Above(c);
  while (!c.left_behind() && above != nullptr && above->left_behind()) above = Above(*above);
  const auto saved = static_cast<double>(c.position() - (above == nullptr ? 0 : above->position()));
  const double worth = saved / static_cast<double>(clock_ - c.used + 1);
  return c.left_behind() ? worth * kSuperseded : worth;
}

StateCheckpoint* PrefixCache::Victim(size_t where) {
  const std::vector<StateCheckpoint*>& list = listed_[where];
  StateCheckpoint* victim = nullptr;
  double least = 0;
  const auto consider = [&](StateCheckpoint* c) {
    if (where == kOnDevice ? !MayLeaveDevice(*c) : !MayGo(*c)) return;
    const double worth = Worth(*c);
    if (victim != nullptr && worth >= least) return;
    victim = c;
    least = worth;
  };
  for (size_t i = 0; list.size() > 2 * kCandidates && i < kCandidates; ++i) consider(list[random_() % list.size()]);
  if (victim == nullptr) std::for_each(list.begin(), list.end(), consider);
  return victim;
}

bool PrefixCache::MakeRoom(Tier tier) {
  StateCheckpoint* const victim = Victim(IndexOf(tier));
  if (victim == nullptr) return false;
  Evict(victim, tier);
  ++(tier == Tier::kHost ? stats_.host_evictions : stats_.device_evictions);
  return true;
}

void PrefixCache::CapPath(StateCheckpoint* tip) {
  int32_t count = 1;
  StateCheckpoint* victim = nullptr;
  for (StateCheckpoint* c = Above(*tip); c != nullptr; c = Above(*c)) {
    ++count;
    const bool may_go = MayGo(*c) && c->left_behind();
    if (may_go && (victim == nullptr || Worth(*c) < Worth(*victim))) victim = c;
  }
  if (count <= config_.most_per_path || victim == nullptr) return;
  Forget(victim);
}

void PrefixCache::List(StateCheckpoint* c, size_t list) {
  c->place[list] = listed_[list].size();
  listed_[list].push_back(c);
}

void PrefixCache::Unlist(StateCheckpoint* c, size_t list) {
  const size_t place = c->place[list];
  listed_[list][place] = listed_[list].back();
  listed_[list][place]->place[list] = place;
  listed_[list].pop_back();
}

void PrefixCache::Lose(StateCheckpoint* c, Tier tier) {
  StoredPages& pages = PagesOf(*c, tier);
  if (!pages.stored()) return;
  StoreOf(tier).Release(&pages);
  Unlist(c, IndexOf(tier));
  std::erase(tier == Tier::kDevice ? to_move_ : to_write_, c);
}

void PrefixCache::Evict(StateCheckpoint* c, Tier tier) {
  Lose(c, tier);
  if (!c->device.stored() && !c->host.stored()) GiveUp(c);
}

void PrefixCache::GiveUp(StateCheckpoint* c) {
  c->state = StateCheckpoint::State::kReady;
  if (c->record != 0) return;
  StateCheckpoint* const above = Above(*c);
  Forget(c);
  if (above != nullptr) Save(above);  // a text that goes on, goes on from there
}

void PrefixCache::Forget(StateCheckpoint* c) {
  if (sessions_.StandsAt(c)) sessions_.Move(c, Above(*c));
  if (watch_) watch_->Forget(c);
  Lose(c, Tier::kDevice);
  Lose(c, Tier::kHost);
  LoseRecord(c);
  PrefixNode* const node = c->node;
  node->checkpoint = nullptr;
  checkpoints_.erase(node);
}

}  // namespace batucada
