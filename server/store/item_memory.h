// Items that were read lately, as what their JSON says: an old message of a long conversation is fetched, checked and
// parsed once, and not again with every turn. By node, of which none is ever used for another item.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include <boost/json/value.hpp>

#include "absl/container/flat_hash_map.h"
#include "server/store/records.h"

namespace batucada {

struct KnownItem {
  ItemNode parent = 0;
  boost::json::value value;
  int64_t bytes = 0;  // of its JSON
  int64_t cost = 0;   // StoreOptions::cost of it
};

// Thread-safe.
class ItemMemory {
 public:
  static constexpr int64_t kMostBytes = int64_t{64} << 20;

  // Nothing if it is not known.
  std::shared_ptr<const KnownItem> Find(ItemNode node);
  // What Keep is told, so that what was read before a Clear is not kept after it.
  uint64_t era() const;
  void Keep(ItemNode node, std::shared_ptr<const KnownItem> item, uint64_t era);
  // An item that is deleted is not held here either.
  void Forget(ItemNode node);
  void Clear();
  int64_t bytes() const;

 private:
  struct Kept {
    ItemNode node = 0;
    int64_t bytes = 0;  // that it holds
    std::shared_ptr<const KnownItem> item;
  };
  void Drop(std::list<Kept>::iterator kept);  // REQUIRES: mutex_ held

  mutable std::mutex mutex_;  // guards what follows
  std::list<Kept> kept_;      // used last first
  absl::flat_hash_map<ItemNode, std::list<Kept>::iterator> places_;
  int64_t bytes_ = 0;
  uint64_t era_ = 0;
};

}  // namespace batucada
