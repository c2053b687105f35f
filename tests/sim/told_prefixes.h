// What a scheduler's cache of prefixes tells of its checkpoints (CheckpointWatch), held against what it does.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/prefix/prefix_cache.h"

namespace batucada::sim {

class ToldPrefixes {
 public:
  enum class Mistake : uint8_t { kNone, kUntold, kNotGone };
  explicit ToldPrefixes(Mistake mistake) : mistake_(mistake) {}

  // Empty, or what is wrong with what was told.
  std::string Take(PrefixCache& cache) {
    while (true) {
      const PrefixChanges changes = cache.TakeChanges(/*most_ids=*/100, /*block_tokens=*/1);
      for (const PrefixChanges::Kept& kept : changes.kept) {
        if (mistake_ == Mistake::kUntold && kept.id % 5 == 0) continue;
        std::vector<int32_t> text;
        if (kept.above != 0) {
          const auto above = now_.find(kept.above);
          if (above == now_.end()) return "what is told stands on what was not told, or is gone";
          text = above->second;
        }
        if (static_cast<int64_t>(text.size()) != kept.start) return "what is told does not begin where another ends";
        text.insert(text.end(), kept.ids.begin(), kept.ids.end());
        ever_.emplace(kept.scope, text);
        now_.emplace(kept.id, std::move(text));
      }
      for (const uint64_t id : changes.gone) {
        if (mistake_ == Mistake::kNotGone) continue;
        if (now_.erase(id) == 0) return "what was not told is gone";
      }
      if (!changes.more) return "";
    }
  }
  // Another process's cache, which has told nothing.
  void Restart() { now_.clear(); }

  bool WasTold(const std::string& scope, const std::vector<int32_t>& text) const {
    return ever_.contains({scope, text});
  }
  int64_t now() const { return static_cast<int64_t>(now_.size()); }

 private:
  const Mistake mistake_;
  std::map<uint64_t, std::vector<int32_t>> now_;                 // texts, by checkpoint
  std::set<std::pair<std::string, std::vector<int32_t>>> ever_;  // with their scope
};

}  // namespace batucada::sim
