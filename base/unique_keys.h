// Keys that come twice in one object of a document that is being read.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"

namespace batucada {

// The keys of all objects that are open, one in another. Most have a few short ones, which are compared; of many a set
// is made, so that the time stays in proportion to the text.
class UniqueKeys {
 public:
  void Open() { objects_.push_back({.first = keys_.size()}); }
  // The innermost object.
  void Close();
  // False: the innermost object has it already.
  bool Add(std::string_view key);
  // Keys that the innermost object has so far.
  size_t size() const {
    const Object& object = objects_.back();
    return object.many != nullptr ? object.many->size() : keys_.size() - object.first;
  }
  // Objects that are open.
  size_t depth() const { return objects_.size(); }

 private:
  static constexpr size_t kFew = 16;
  struct Key {
    size_t begin, size;  // in bytes_
  };
  struct Object {
    size_t first;  // of keys_
    // Instead of keys_, where there are more than kFew.
    std::unique_ptr<absl::flat_hash_set<std::string>> many = nullptr;
  };
  std::string_view Text(const Key& key) const { return std::string_view{bytes_}.substr(key.begin, key.size); }

  std::string bytes_;
  absl::InlinedVector<Key, kFew> keys_;
  absl::InlinedVector<Object, 4> objects_;
};

}  // namespace batucada
