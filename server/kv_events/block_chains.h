// From checkpoints, which lie anywhere in a text, to blocks of a fixed number of tokens, of which routers know. What a
// router may believe: it has all blocks of a text up to the last one that is whole at some checkpoint on it. So a block
// is there as long as a checkpoint stands at its end or further on. Not thread-safe.
//
// Blocks are told apart by 64 bits of SHA-256 over the block before, or the text's scope, and their own tokens: alike
// in every process, and different for texts of different scopes. Where two were alike all the same, a text would end
// before the second.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/core/prefix_changes.h"
#include "server/kv_events/kv_event.h"

namespace batucada {

class BlockChains {
 public:
  // `block_tokens`: also of PrefixChanges::Kept::start.
  explicit BlockChains(int32_t block_tokens) : block_tokens_(block_tokens) {}

  // Appends what a router is to be told. Of what comes and goes in the same changes, what comes is told first.
  void Apply(const PrefixChanges& changes, std::vector<KvEvent>* events);

  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }

  // An event speaks of no more, so that a message has a bound.
  static constexpr size_t kMostTokens = 8192, kMostHashes = 2048;

 private:
  struct Block {
    uint64_t parent = 0;   // 0: it is a text's first
    int32_t children = 0;  // blocks behind it
    int32_t ends = 0;      // checkpoints for which it is the last one
  };
  struct End {
    uint64_t last = 0;     // the last block that is whole at a checkpoint; 0: there is none
    int64_t position = 0;  // where it ends
  };

  void Keep(const PrefixChanges::Kept& kept, std::vector<KvEvent>* events);
  void Forget(uint64_t id, std::vector<uint64_t>* removed);
  uint64_t HashOf(uint64_t before, std::span<const int32_t> tokens);

  const int32_t block_tokens_;
  absl::flat_hash_map<uint64_t, Block> blocks_;  // by their hash
  absl::flat_hash_map<uint64_t, End> ends_;      // by checkpoints' ids
  std::vector<char> hashed_;                     // reused
};

}  // namespace batucada
