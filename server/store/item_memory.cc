#include "server/store/item_memory.h"

#include <utility>

namespace batucada {
namespace {

namespace bj = boost::json;

// A list of short numbers takes twelve times its text. REQUIRES: few levels, as of parsed JSON.
int64_t MemoryOf(const bj::value& value) {
  constexpr int64_t kBlock = 32;  // of what is allocated by itself
  int64_t bytes = static_cast<int64_t>(sizeof(bj::value));
  if (const bj::string* text = value.if_string()) bytes += kBlock + static_cast<int64_t>(text->capacity());
  if (const bj::array* list = value.if_array()) {
    bytes += kBlock;
    for (const bj::value& one : *list) bytes += MemoryOf(one);
  }
  if (const bj::object* object = value.if_object()) {
    bytes += kBlock;
    for (const auto& [key, member] : *object) {
      bytes += 2 * kBlock + static_cast<int64_t>(key.size()) + MemoryOf(member);
    }
  }
  return bytes;
}

int64_t MemoryOf(const KnownItem& item) { return 256 + MemoryOf(item.value); }

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
  const int64_t bytes = MemoryOf(*item);
  const std::lock_guard lock(mutex_);
  if (era != era_ || bytes > kMostBytes / 2) return;
  const auto [place, fresh] = places_.try_emplace(node);
  if (!fresh) return;  // another thread read it, too
  bytes_ += bytes;
  kept_.push_front({node, bytes, std::move(item)});
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
  bytes_ -= kept->bytes;
  places_.erase(kept->node);
  kept_.erase(kept);
}

}  // namespace batucada
