#include "server/store/item_memory.h"

#include <utility>

namespace batucada {
namespace {

// The value's texts, which are those of the JSON, and its nodes, of which every member and element is one.
int64_t BytesOf(const KnownItem& item) { return 512 + 4 * item.bytes; }

}  // namespace

std::shared_ptr<const KnownItem> ItemMemory::Find(ItemNode node) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(node);
  if (found == places_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found->second);
  return found->second->item;
}

uint64_t ItemMemory::era() const {
  const std::lock_guard lock(mutex_);
  return era_;
}

int64_t ItemMemory::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void ItemMemory::Keep(ItemNode node, std::shared_ptr<const KnownItem> item, uint64_t era) {
  const std::lock_guard lock(mutex_);
  if (era != era_ || BytesOf(*item) > kMostBytes / 2) return;
  const auto [place, fresh] = places_.try_emplace(node);
  if (!fresh) return;  // another thread read it, too
  bytes_ += BytesOf(*item);
  kept_.push_front({node, std::move(item)});
  place->second = kept_.begin();
  while (bytes_ > kMostBytes) Drop(std::prev(kept_.end()));
}

void ItemMemory::Forget(ItemNode node) {
  const std::lock_guard lock(mutex_);
  ++era_;  // what is being read may be this one
  const auto found = places_.find(node);
  if (found != places_.end()) Drop(found->second);
}

void ItemMemory::Clear() {
  const std::lock_guard lock(mutex_);
  ++era_;
  kept_.clear();
  places_.clear();
  bytes_ = 0;
}

void ItemMemory::Drop(std::list<Kept>::iterator kept) {
  bytes_ -= BytesOf(*kept->item);
  places_.erase(kept->node);
  kept_.erase(kept);
}

}  // namespace batucada
