// What is written behind an item in several short transactions, so that nobody waits for the store longer than one of
// them takes. It is nobody's until something ends at it; what nothing ends at is released when the branch goes, also
// with the process.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "server/store/store.h"

namespace batucada {

// Used by one thread, which does not hold the store's mutex.
class Store::Branch {
 public:
  // Behind `parent`; `store` outlives this.
  Branch(Store& store, StoreScope scope, ItemNode parent)
      : store_(store), scope_(scope), parent_(parent), last_(parent) {}
  ~Branch();
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  ItemNode parent() const { return parent_; }
  ItemNode last() const { return last_; }
  bool grown() const { return last_ != parent_; }

  // Writes all but what one transaction can take with the rest, which is left in `items`. INVALID_ARGUMENT as
  // ItemTree::Append says it, of all of them.
  [[nodiscard]] absl::Status Grow(std::span<const StoredItem>* items);
  // The same of items that are stored already, `bytes` of JSON. NOT_FOUND if one of them is gone.
  [[nodiscard]] absl::Status Copy(std::span<const ItemNode>* nodes, int64_t bytes);

 private:
  absl::Status Step(int64_t bytes, std::span<const StoredItem> items);

  Store& store_;
  const StoreScope scope_;
  const ItemNode parent_;
  ItemNode last_;
  int64_t draft_ = 0;  // in the tree, once it has grown
};

}  // namespace batucada
