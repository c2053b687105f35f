// Checkpoints of texts' beginnings in a tree of prefixes, in tiers: the device's memory, the host's behind it, and a
// disk behind that. Deals in ids: it says which pages are to be copied where, and a step, or the disk, copies them.
//
// Life of a checkpoint: promised (a sequence will get there), writing (a step copies it), ready (that step has ended
// and succeeded). Nothing is read before it is ready; a step that fails publishes nothing. A ready one moves to the
// host in the background and may then lose its place on the device; likewise from there to the disk. From the disk it
// comes back to the host when a text wants to go on from it.
//
// Eviction takes what saves least: tokens up to the nearest other checkpoint on the way, divided by the time since it
// was used. One that the same text has left behind, and where no other text branches off, counts little, and is not
// there for those that have not been left behind. (Marconi, arXiv 2411.19379, weighs in computing saved per byte
// likewise; here all states of a model have about one size.)
//
// Deterministic given its calls. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/prefix/checkpoint.h"
#include "engine/prefix/checkpoint_disk.h"
#include "engine/prefix/checkpoint_store.h"
#include "engine/prefix/checkpoint_watch.h"
#include "engine/prefix/prefix_cache_stats.h"
#include "engine/prefix/prefix_tree.h"
#include "engine/prefix/session_table.h"

namespace batucada {

struct PrefixCacheConfig {
  TierSize device;                       // no slots: no cache at all
  TierSize host;                         // no slots: no such tier
  int64_t least_tokens = 64;             // shorter beginnings are computed again, and checkpoints are so far apart
  int64_t worth_waiting = 256;           // tokens saved for which a sequence waits for another's checkpoint
  int64_t ladder_tokens = 8'192;         // a checkpoint every so many tokens of a long prompt
  int32_t most_cuts = 8;                 // checkpoints within one prompt, besides the ladder
  int32_t most_per_path = 32;            // checkpoints of one text
  int32_t most_moves = 4;                // that one step starts to copy to the host
  int64_t most_ids = int64_t{64} << 20;  // that the tree may be worth (PrefixTree::size), four bytes each
  CheckpointDisk* disk = nullptr;        // null: none; outlives the cache. REQUIRES: there is a tier of the host's
  bool watched = false;                  // whether there is something to take by TakeChanges
};

class PrefixCache {
 public:
  PrefixCache(const PrefixCacheConfig& config, const std::vector<KvGroupSize>& kv, int32_t block_tokens,
              std::deque<BlockPool>* running);
  ~PrefixCache();

  const PrefixCacheConfig& config() const { return config_; }

  // A sequence stands where `prompt` ends; `known`: how many of its tokens were seen before. Leave it with Leave.
  PrefixNode* Enter(const std::string& scope, std::span<const int32_t> prompt, int64_t* known);
  // The same sequence goes on to what it generated.
  PrefixNode* Advance(PrefixNode* leaf, std::span<const int32_t> ids);
  void Leave(PrefixNode* leaf);

  // The longest checkpoint on the way to `leaf` of at most `most` tokens that is ready, or null. It is pinned.
  StateCheckpoint* Find(PrefixNode* leaf, int64_t most);
  // Likewise one that is promised or being written, of more than `least` tokens. Not pinned.
  static StateCheckpoint* FindComing(PrefixNode* leaf, int64_t most, int64_t least);
  void Pin(StateCheckpoint* checkpoint) { ++checkpoint->pins; }
  void Unpin(StateCheckpoint* checkpoint) { --checkpoint->pins; }

  // Whether the texts to `a` and to `b` are the same up to `position`.
  bool SharesUpTo(PrefixNode* a, int64_t position, const PrefixNode* b) {
    return PrefixTree::IsOnTheWay(tree_.At(a, position), b);
  }

  // A sequence on its way to `below` will write a checkpoint at `position`; null if there is one, or is to be.
  StateCheckpoint* Promise(PrefixNode* below, int64_t position);
  // It is there: finds room, evicting others, and appends the copies. False: there is no room, and it is dropped.
  bool Write(StateCheckpoint* checkpoint, const StoredPages& sequence, std::vector<PageCopy>* copies);
  // The step that wrote it has ended.
  void Publish(StateCheckpoint* checkpoint);
  // A promise that is not kept.
  void Drop(StateCheckpoint* checkpoint);

  // Appends the copies that bring the checkpoint to a sequence's pages; true if they come from the host.
  bool Load(const StateCheckpoint& checkpoint, PageId slot, const std::vector<std::vector<PageId>>& blocks,
            std::vector<PageCopy>* copies) const;
  // See CheckpointStore::SharedBlocks.
  std::span<const PageId> SharedBlocks(const StateCheckpoint& checkpoint, size_t group) const;

  // Appends copies to the host, and who is copied: they are to be given to Moved when the step has ended.
  void PlanMoves(std::vector<PageCopy>* copies, std::vector<StateCheckpoint*>* moving);
  void Moved(StateCheckpoint* checkpoint);

  // --- the disk, prefix_cache_disk.cc; nothing of it happens where there is none ---
  // The longest checkpoint on the way to `leaf`, of more than `least` and at most `most` tokens, that lies on the disk
  // alone: begins to bring it to the host. Null if there is none, or no room.
  StateCheckpoint* Fetch(PrefixNode* leaf, int64_t most, int64_t least);
  // What the disk has done since. `told` of each that was fetched: whether it is usable now; if not, it may be gone
  // afterwards.
  void PollDisk(absl::FunctionRef<void(const StateCheckpoint*, bool)> told);
  bool fetching() const { return fetching_ > 0; }
  // --- sessions, prefix_cache_sessions.cc ---
  SessionTable& sessions() { return sessions_; }
  const SessionTable& sessions() const { return sessions_; }
  // It is no more; and its state neither, if nobody else's text goes on from there and nobody uses it now.
  bool EraseSession(uint64_t owner, std::string_view name);
  // What stands at the tip is written to the disk, if there is one and it was not: with the session's name.
  void SaveSession(StateCheckpoint* tip);
  // Sees to it that the checkpoint's bytes lie on the host. True: they do. False: they will, or never can; ask again
  // when a step, or the disk, has done something.
  bool BringToHost(StateCheckpoint* checkpoint);
  // Begins to take in a state from elsewhere: its pages on the host are the caller's to fill, until Received. Null,
  // with the reason: there is no room, or it is there already (then `there` is it).
  StateCheckpoint* Receive(const std::string& scope, std::span<const int32_t> ids, StateCheckpoint** there);
  // They are filled; or not, and it is forgotten.
  void Received(StateCheckpoint* checkpoint, bool filled);
  std::vector<int32_t> TextOf(const StateCheckpoint* checkpoint) const { return PrefixTree::TextOf(checkpoint->node); }
  const std::string& ScopeOf(const StateCheckpoint* checkpoint) const { return PrefixTree::ScopeOf(checkpoint->node); }
  bool has_host() const { return host_.exists(); }

  // Has `idle` watch the pages of checkpoints on the device. Those on the host are dealt, and written, by who imports a
  // session, too, beside the steps.
  void WatchIdle(IdlePages* idle) { device_.WatchIdle(idle); }

  // Nothing is left that the host, or the disk, is still to get.
  bool saved() const { return to_move_.empty() && to_write_.empty(); }

  // What has come and gone, over all tiers, since it was last taken; see CheckpointWatch::Take.
  PrefixChanges TakeChanges(int64_t most_ids, int32_t block_tokens) {
    return watch_ ? watch_->Take(most_ids, block_tokens) : PrefixChanges();
  }

  // Lets go of checkpoints until so many blocks of a growing group are free; false: that cannot be.
  bool Reclaim(size_t group, int64_t blocks);
  // The device has failed: what it held, what is promised and what steps in flight were copying is lost.
  void Abandon();

  // For the counts: a prompt is looked up; it goes on from a checkpoint; so many of its tokens were seen before, and
  // are computed again; it waits.
  void CountLookup(int64_t prompt_tokens);
  void CountHit(const StateCheckpoint& found);
  void CountMissed(int64_t tokens) { stats_.missed_tokens += static_cast<uint64_t>(tokens); }
  void CountWait() { ++stats_.waits; }
  PrefixCacheStats stats() const;

 private:
  // Whoever saves least of those that may go, of a few candidates; null if none may.
  StateCheckpoint* Victim(size_t where);
  double Worth(const StateCheckpoint& checkpoint) const;
  bool MakeRoom(Tier tier);
  CheckpointStore& StoreOf(Tier tier) { return tier == Tier::kHost ? host_ : device_; }
  static constexpr size_t kOnDevice = 0, kOnHost = 1, kOnDisk = 2;
  static size_t IndexOf(Tier tier) { return tier == Tier::kHost ? kOnHost : kOnDevice; }
  static StoredPages& PagesOf(StateCheckpoint& checkpoint, Tier tier) {
    return tier == Tier::kHost ? checkpoint.host : checkpoint.device;
  }
  void List(StateCheckpoint* checkpoint, size_t list);
  void Unlist(StateCheckpoint* checkpoint, size_t list);
  // It loses its pages in the tier, if it has any there.
  void Lose(StateCheckpoint* checkpoint, Tier tier);
  // Likewise, and is forgotten if it lies nowhere else.
  void Evict(StateCheckpoint* checkpoint, Tier tier);
  // It will not be written, or has no pages any more: it is forgotten, or lies on the disk alone.
  void GiveUp(StateCheckpoint* checkpoint);
  void Forget(StateCheckpoint* checkpoint);
  void Adopt();
  void SetRecord(StateCheckpoint* checkpoint, CheckpointDisk::Record record);
  void LoseRecord(StateCheckpoint* checkpoint);
  // It is to be written to the disk, if it can be, is not there, and somebody will want it.
  void Save(StateCheckpoint* checkpoint);
  void BeginWrites();
  // Of records that are the next to go, a part is to stay: what is worth most.
  void KeepSome(const std::vector<CheckpointDisk::Record>& leaving);
  // The next one on the way to it is superseded, unless texts part between them; then it is returned.
  static StateCheckpoint* Supersede(const StateCheckpoint& checkpoint);
  static StateCheckpoint* Above(const StateCheckpoint& checkpoint);  // the next ready one on the way to it, or null
  void CapPath(StateCheckpoint* tip);
  void TrimTree();

  const PrefixCacheConfig config_;
  std::deque<BlockPool>* const running_;
  PrefixTree tree_;
  CheckpointStore device_, host_;
  absl::flat_hash_map<PrefixNode*, std::unique_ptr<StateCheckpoint>> checkpoints_;
  SessionTable sessions_;
  std::optional<CheckpointWatch> watch_;
  std::vector<StateCheckpoint*> listed_[3];  // on the device, on the host, on the disk; in no order
  std::deque<StateCheckpoint*> to_move_;     // ready, on the device alone
  std::deque<StateCheckpoint*> to_write_;    // on the host, and not on the disk
  absl::flat_hash_map<CheckpointDisk::Record, StateCheckpoint*> on_way_, recorded_;
  int32_t fetching_ = 0;    // of those on their way, to the host
  std::mt19937_64 random_;  // seeded with a constant: candidates for eviction
  uint64_t clock_ = 0;
  PrefixCacheStats stats_;
};

}  // namespace batucada
