// What a router is told of the beginnings that are kept here, in blocks of a fixed number of tokens. A block's hash
// stands for its tokens and all before them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace batucada {

// Blocks, each behind the one before it.
struct BlocksStored {
  uint64_t parent = 0;           // the block before the first; 0: there is none
  std::string salt;              // the client's cache_salt; said of the first block of a text alone
  std::vector<uint64_t> hashes;  // at least one; never 0
  std::vector<int32_t> tokens;   // of all of them
};

// Blocks with nothing behind them any more, or among those removed before them.
struct BlocksRemoved {
  std::vector<uint64_t> hashes;
};

struct AllBlocksCleared {};

using KvEvent = std::variant<BlocksStored, BlocksRemoved, AllBlocksCleared>;

}  // namespace batucada
