#include "engine/prefix/prefix_tree.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace batucada {

PrefixNode* PrefixTree::Root(const std::string& scope) { return &roots_[scope]; }

PrefixNode* PrefixTree::Extend(PrefixNode* from, std::span<const int32_t> ids, int64_t* known) {
  *known = 0;
  PrefixNode* node = from;
  while (!ids.empty()) {
    const auto found = node->children.find(ids.front());
    if (found == node->children.end()) {
      auto leaf = std::make_unique<PrefixNode>();
      leaf->parent = node;
      leaf->ids.assign(ids.begin(), ids.end());
      leaf->end = node->end + static_cast<int64_t>(ids.size());
      tokens_ += static_cast<int64_t>(ids.size());
      PrefixNode* const made = leaf.get();
      node->children.emplace(ids.front(), std::move(leaf));
      node = made;
      break;
    }
    PrefixNode* child = found->second.get();
    const auto parting = std::mismatch(child->ids.begin(), child->ids.end(), ids.begin(), ids.end());
    const auto common = static_cast<size_t>(parting.second - ids.begin());
    if (common < child->ids.size()) child = Split(child, common);
    node = child;
    *known += static_cast<int64_t>(common);
    ids = ids.subspan(common);
  }
  node->seen = ++clock_;
  return node;
}

PrefixNode* PrefixTree::At(PrefixNode* below, int64_t position) {
  BATUCADA_CHECK(position > 0 && position <= below->end);
  PrefixNode* node = below;
  while (node->end - static_cast<int64_t>(node->ids.size()) >= position) node = node->parent;
  if (node->end == position) return node;
  return Split(node, node->ids.size() - static_cast<size_t>(node->end - position));
}

bool PrefixTree::IsOnTheWay(const PrefixNode* node, const PrefixNode* below) {
  while (below != nullptr && below->end > node->end) below = below->parent;
  return below == node;
}

PrefixNode* PrefixTree::Split(PrefixNode* node, size_t ids) {
  PrefixNode* const parent = node->parent;
  auto& place = parent->children.at(node->ids.front());
  auto upper = std::make_unique<PrefixNode>();
  upper->parent = parent;
  upper->ids.assign(node->ids.begin(), node->ids.begin() + static_cast<std::ptrdiff_t>(ids));
  upper->end = parent->end + static_cast<int64_t>(ids);
  upper->seen = node->seen;
  std::unique_ptr<PrefixNode> lower = std::move(place);
  lower->parent = upper.get();
  lower->ids.erase(lower->ids.begin(), lower->ids.begin() + static_cast<std::ptrdiff_t>(ids));
  const int32_t first = lower->ids.front();
  upper->children.emplace(first, std::move(lower));
  place = std::move(upper);
  return place.get();
}

void PrefixTree::Trim(int64_t most) {
  while (tokens_ > most && RemoveOldestLeaves(most)) {
  }
  absl::erase_if(roots_, [](const auto& root) { return root.second.children.empty() && root.second.users == 0; });
}

bool PrefixTree::RemoveOldestLeaves(int64_t most) {
  std::vector<PrefixNode*> leaves, open;
  for (auto& [scope, root] : roots_) open.push_back(&root);
  while (!open.empty()) {
    PrefixNode* const node = open.back();
    open.pop_back();
    for (auto& [first, child] : node->children) open.push_back(child.get());
    const bool idle = node->children.empty() && node->checkpoint == nullptr && node->users == 0;
    if (idle && node->parent != nullptr) leaves.push_back(node);
  }
  std::sort(leaves.begin(), leaves.end(), [](auto* a, auto* b) { return std::pair(a->seen, a->end) < std::pair(b->seen, b->end); });
  bool removed = false;
  for (PrefixNode* leaf : leaves) {
    if (tokens_ <= most) break;
    tokens_ -= static_cast<int64_t>(leaf->ids.size());
    leaf->parent->children.erase(leaf->ids.front());
    removed = true;
  }
  return removed;
}

}  // namespace batucada
