// The beginnings of texts that were seen: a radix tree of token ids under a root for each scope. Ids are compared,
// never hashes of them, so that no text can stand for another. A node is where a text ended, where two parted, or where
// a state is kept; it outlives its state, so that it is known where texts part. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"

namespace batucada {

struct StateCheckpoint;

struct PrefixNode {
  PrefixNode* parent = nullptr;                                        // null: a root
  std::vector<int32_t> ids;                                            // from the parent's end to this one's
  int64_t end = 0;                                                     // tokens from the root to here
  const std::string* scope = nullptr;                                  // a root's name
  absl::flat_hash_map<int32_t, std::unique_ptr<PrefixNode>> children;  // by their first id
  StateCheckpoint* checkpoint = nullptr;                               // what is kept, or promised, here
  int32_t users = 0;                                                   // sequences that stand here
  uint64_t seen = 0;  // when a text last ended here; 0: it is not among those that may be forgotten
};

class PrefixTree {
 public:
  // Texts of different scopes never meet. Made when it is asked for.
  PrefixNode* Root(const std::string& scope);

  // The node where `ids`, going on from `from`, end; made if it was not there. `known`: how many of them were.
  PrefixNode* Extend(PrefixNode* from, std::span<const int32_t> ids, int64_t* known);
  // The node on the way to `below` that ends at `position`; made if it was not there. REQUIRES: 0 < position <= its
  // end.
  PrefixNode* At(PrefixNode* below, int64_t position);
  static const std::string& ScopeOf(const PrefixNode* node);
  // All ids from the root, or from a position, to its end.
  static std::vector<int32_t> TextOf(const PrefixNode* node, int64_t from = 0);
  static bool IsOnTheWay(const PrefixNode* node, const PrefixNode* below);

  // Removes nodes without children, state and users, those first that were not seen for the longest time, until at most
  // what is kept is worth `most` ids or `tries` nodes were looked at.
  void Trim(int64_t most, int64_t tries);

  int64_t tokens() const { return tokens_; }  // ids kept
  // Of all that is kept, in ids of four bytes: the ids, kNodeIds for every node and root, and the roots' names. So a
  // bound of it is one of memory, however the texts part.
  int64_t size() const { return tokens_ + overhead_; }
  // A node, its place among its parent's children and by age, and what the allocator rounds up: 210 to 250 bytes.
  static constexpr int64_t kNodeIds = 64;

 private:
  static int64_t RootIds(const std::string& scope);
  // The upper part of the node, of so many ids, as a node of its own.
  PrefixNode* Split(PrefixNode* node, size_t ids);
  void Touch(PrefixNode* node);
  void Untouch(PrefixNode* node);
  // It, and what it leaves behind without children, state and users.
  void Remove(PrefixNode* leaf);

  absl::node_hash_map<std::string, PrefixNode> roots_;
  absl::btree_map<uint64_t, PrefixNode*> by_age_;  // by `seen`: every leaf, and some others
  int64_t tokens_ = 0;
  int64_t overhead_ = 0;  // see size
  uint64_t clock_ = 0;
};

}  // namespace batucada
