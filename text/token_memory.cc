#include "text/token_memory.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace batucada {

uint64_t TokenMemory::HashOf(const Stretch& stretch) {
  // Abseil's own view of a text has Abseil's hash, several times as fast on long ones.
  const absl::string_view text(stretch.text.data(), stretch.text.size());
  uint64_t hash = absl::HashOf(stretch.owner, text, stretch.at_start);
  for (const Part& part : stretch.parts) hash = absl::HashOf(hash, part.id, part.bytes);
  return hash;
}

size_t TokenMemory::BytesOf(const Entry& entry) {
  constexpr size_t kBesides = 256;  // list, map, the entry itself
  return entry.owner.size() + entry.text.size() + entry.parts.size() * sizeof(Part) +
         entry.ids.size() * sizeof(int32_t) + kBesides;
}

bool TokenMemory::Find(const Stretch& stretch, std::vector<int32_t>* ids) {
  const uint64_t hash = HashOf(stretch);
  std::shared_ptr<const Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_hash_.find(hash);
    if (found == by_hash_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    entry = *found->second;
  }
  if (entry->at_start != stretch.at_start || entry->owner != stretch.owner || entry->text != stretch.text ||
      !std::equal(entry->parts.begin(), entry->parts.end(), stretch.parts.begin(), stretch.parts.end())) {
    return false;
  }
  ids->insert(ids->end(), entry->ids.begin(), entry->ids.end());
  return true;
}

void TokenMemory::Remember(const Stretch& stretch, std::span<const int32_t> ids) {
  auto entry = std::make_shared<Entry>(Entry{.hash = HashOf(stretch),
                                             .owner = std::string(stretch.owner),
                                             .text = std::string(stretch.text),
                                             .parts = {stretch.parts.begin(), stretch.parts.end()},
                                             .at_start = stretch.at_start,
                                             .ids = {ids.begin(), ids.end()}});
  const size_t bytes = BytesOf(*entry);
  if (bytes > most_bytes_) return;
  std::vector<std::shared_ptr<const Entry>> forgotten;  // freed when the lock is not held
  const std::lock_guard lock(mutex_);
  const auto forget = [&](Order::iterator which) {
    bytes_ -= BytesOf(**which);
    by_hash_.erase((*which)->hash);
    forgotten.push_back(std::move(*which));
    order_.erase(which);
  };
  if (const auto found = by_hash_.find(entry->hash); found != by_hash_.end()) forget(found->second);
  while (bytes_ + bytes > most_bytes_) forget(std::prev(order_.end()));
  const uint64_t hash = entry->hash;
  order_.push_front(std::move(entry));
  by_hash_[hash] = order_.begin();
  bytes_ += bytes;
}

size_t TokenMemory::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace batucada
