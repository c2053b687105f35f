#include "engine/prefix/prefix_tree.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

// How many ids both begin with. A prompt that is known is long, and memcmp is several times faster than a loop.
size_t CommonIds(std::span<const int32_t> a, std::span<const int32_t> b) {
  constexpr size_t kBlock = 512;
  const size_t most = std::min(a.size(), b.size());
  size_t common = 0;
  while (most - common >= kBlock && std::memcmp(a.data() + common, b.data() + common, kBlock * sizeof(int32_t)) == 0) {
    common += kBlock;
  }
  while (common < most && a[common] == b[common]) ++common;
  return common;
}

}  // namespace

PrefixNode* PrefixTree::Root(const std::string& scope) {
  const auto [root, made] = roots_.try_emplace(scope);
  if (made) {
    root->second.scope = &root->first;
    overhead_ += RootIds(scope);
  }
  return &root->second;
}

int64_t PrefixTree::RootIds(const std::string& scope) {
  return kNodeIds + static_cast<int64_t>(scope.size() / sizeof(int32_t)) + 1;
}

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
      overhead_ += kNodeIds;
      PrefixNode* const made = leaf.get();
      node->children.emplace(ids.front(), std::move(leaf));
      node = made;
      break;
    }
    PrefixNode* child = found->second.get();
    const size_t common = CommonIds(child->ids, ids);
    if (common < child->ids.size()) child = Split(child, common);
    node = child;
    *known += static_cast<int64_t>(common);
    ids = ids.subspan(common);
  }
  if (node->parent != nullptr) Touch(node);
  return node;
}

PrefixNode* PrefixTree::At(PrefixNode* below, int64_t position) {
  BATUCADA_CHECK(position > 0 && position <= below->end);
  PrefixNode* node = below;
  while (node->end - static_cast<int64_t>(node->ids.size()) >= position) node = node->parent;
  if (node->end == position) return node;
  return Split(node, node->ids.size() - static_cast<size_t>(node->end - position));
}

const std::string& PrefixTree::ScopeOf(const PrefixNode* node) {
  while (node->parent != nullptr) node = node->parent;
  return *node->scope;
}

std::vector<int32_t> PrefixTree::TextOf(const PrefixNode* node, int64_t from) {
  std::vector<int32_t> ids(static_cast<size_t>(node->end - from));
  for (; node->parent != nullptr && node->end > from; node = node->parent) {
    const int64_t begin = node->parent->end, skipped = std::max<int64_t>(0, from - begin);
    std::copy(node->ids.begin() + skipped, node->ids.end(), ids.begin() + (begin + skipped - from));
  }
  return ids;
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
  std::unique_ptr<PrefixNode> lower = std::move(place);
  lower->parent = upper.get();
  lower->ids.erase(lower->ids.begin(), lower->ids.begin() + static_cast<std::ptrdiff_t>(ids));
  lower->ids.shrink_to_fit();  // or a text that is cut again and again would be held as often
  overhead_ += kNodeIds;
  const int32_t first = lower->ids.front();
  upper->children.emplace(first, std::move(lower));
  place = std::move(upper);
  return place.get();
}

void PrefixTree::Touch(PrefixNode* node) {
  Untouch(node);
  node->seen = ++clock_;
  by_age_.emplace(node->seen, node);
}

void PrefixTree::Untouch(PrefixNode* node) {
  if (node->seen != 0) by_age_.erase(node->seen);
  node->seen = 0;
}

void PrefixTree::Trim(int64_t most, int64_t tries) {
  for (; size() > most && tries > 0 && !by_age_.empty(); --tries) {
    PrefixNode* const node = by_age_.begin()->second;
    if (!node->children.empty()) {
      Untouch(node);  // until it is a leaf again
    } else if (node->checkpoint != nullptr || node->users > 0) {
      Touch(node);
    } else {
      Remove(node);
    }
  }
}

void PrefixTree::Remove(PrefixNode* leaf) {
  while (true) {
    PrefixNode* const parent = leaf->parent;
    Untouch(leaf);
    tokens_ -= static_cast<int64_t>(leaf->ids.size());
    overhead_ -= kNodeIds;
    parent->children.erase(leaf->ids.front());  // it is gone
    if (!parent->children.empty()) return;
    const bool idle = parent->checkpoint == nullptr && parent->users == 0;
    if (parent->parent == nullptr) {
      if (!idle) return;
      const std::string scope = *parent->scope;
      overhead_ -= RootIds(scope);
      roots_.erase(scope);
      return;
    }
    if (parent->seen != 0) return;  // it is among those to be looked at
    if (!idle) return Touch(parent);
    leaf = parent;
  }
}

}  // namespace batucada
