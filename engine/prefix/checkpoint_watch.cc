#include "engine/prefix/checkpoint_watch.h"

#include <utility>

#include "engine/prefix/prefix_tree.h"

namespace batucada {

void CheckpointWatch::Keep(StateCheckpoint* checkpoint) {
  const auto [number, made] = numbers_.try_emplace(checkpoint, last_ + 1);
  if (made) untold_.emplace(++last_, checkpoint);
}

void CheckpointWatch::Forget(const StateCheckpoint* checkpoint) {
  const auto found = numbers_.find(checkpoint);
  if (found == numbers_.end()) return;
  const uint64_t number = found->second;
  numbers_.erase(found);
  if (untold_.erase(number) == 0) gone_.push_back(number);
}

PrefixChanges CheckpointWatch::Take(int64_t most_ids, int32_t block_tokens) {
  PrefixChanges changes;
  for (int64_t ids = 0; !untold_.empty() && ids < most_ids;) {
    const auto [number, checkpoint] = *untold_.begin();
    const StateCheckpoint* const above = ToldAbove(*checkpoint);
    const int64_t start = above == nullptr ? 0 : above->position() / block_tokens * block_tokens;
    changes.kept.push_back({.id = number,
                            .above = above == nullptr ? 0 : numbers_.at(above),
                            .scope = PrefixTree::ScopeOf(checkpoint->node),
                            .start = start,
                            .ids = PrefixTree::TextOf(checkpoint->node, start)});
    ids += checkpoint->position() - start;
    untold_.erase(untold_.begin());
  }
  changes.gone = std::exchange(gone_, {});
  changes.more = !untold_.empty();
  return changes;
}

const StateCheckpoint* CheckpointWatch::ToldAbove(const StateCheckpoint& checkpoint) const {
  for (const PrefixNode* node = checkpoint.node->parent; node != nullptr; node = node->parent) {
    const auto found = numbers_.find(node->checkpoint);
    if (found != numbers_.end() && !untold_.contains(found->second)) return found->first;
  }
  return nullptr;
}

}  // namespace batucada
