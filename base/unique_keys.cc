#include "base/unique_keys.h"

#include <algorithm>

namespace batucada {

void UniqueKeys::Close() {
  const size_t first = objects_.back().first;
  objects_.pop_back();
  if (first == keys_.size()) return;
  bytes_.resize(keys_[first].begin);
  keys_.resize(first);
}

bool UniqueKeys::Add(std::string_view key) {
  Object& object = objects_.back();
  if (object.many != nullptr) return object.many->insert(std::string(key)).second;
  const auto* const first = keys_.data() + object.first;
  const auto* const end = keys_.data() + keys_.size();
  if (std::any_of(first, end, [&](const Key& other) { return Text(other) == key; })) return false;
  if (static_cast<size_t>(end - first) < kFew) {
    keys_.push_back({.begin = bytes_.size(), .size = key.size()});
    bytes_ += key;
    return true;
  }
  object.many = std::make_unique<absl::flat_hash_set<std::string>>();
  for (const Key* other = first; other != end; ++other) object.many->insert(std::string(Text(*other)));
  return object.many->insert(std::string(key)).second;
}

}  // namespace batucada
