// Ids of texts that were tokenized before: a conversation that goes on, or a long document that is asked about again,
// is looked up instead of tokenized.
//
// What is remembered are stretches of some kilobytes, found by all of their bytes: Tokenizer::Encode cuts a text where
// its ids on either side do not depend on the other, and always at the same places, so that a text that has grown finds
// all but its end. Owners do not find each other's, and so cannot tell from the time what others have sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace batucada {

// Holds at most so many bytes: what was used least lately goes first. Thread-safe.
class TokenMemory {
 public:
  // A part of a stretch: an added token, or ordinary text.
  struct Part {
    int32_t id = -1;  // of the added token; -1: text
    uint32_t bytes = 0;
    friend bool operator==(const Part&, const Part&) = default;
  };
  struct Stretch {
    std::string_view owner;
    std::string_view text;        // of all parts
    std::span<const Part> parts;  // which tokens are special is decided
    bool at_start = false;        // of a whole text
  };

  explicit TokenMemory(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Appends its ids to *ids, if they are known.
  bool Find(const Stretch& stretch, std::vector<int32_t>* ids);
  void Remember(const Stretch& stretch, std::span<const int32_t> ids);

  size_t bytes() const;

 private:
  struct Entry {
    uint64_t hash = 0;
    std::string owner, text;
    std::vector<Part> parts;
    bool at_start = false;
    std::vector<int32_t> ids;
  };
  using Order = std::list<std::shared_ptr<const Entry>>;  // used last first

  static uint64_t HashOf(const Stretch& stretch);
  static size_t BytesOf(const Entry& entry);

  const size_t most_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  Order order_;
  absl::flat_hash_map<uint64_t, Order::iterator> by_hash_;  // of two with one hash the later is kept
  size_t bytes_ = 0;
};

}  // namespace batucada
