#include "server/kv_events/block_chains.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/digest.h"
#include "base/status.h"

namespace batucada {
namespace {

uint64_t FirstBytes(const Sha256& digest) {
  uint64_t first = 0;
  std::memcpy(&first, digest.data(), sizeof(first));
  return first == 0 ? 1 : first;  // 0 says that there is no block
}

// As server/generate makes a scope: whose texts they are, a colon, and the client's salt.
std::string_view SaltOf(std::string_view scope) {
  const size_t colon = scope.find(':');
  return colon == std::string_view::npos ? std::string_view() : scope.substr(colon + 1);
}

}  // namespace

uint64_t BlockChains::HashOf(uint64_t before, std::span<const int32_t> tokens) {
  hashed_.resize(sizeof(before) + tokens.size_bytes());
  std::memcpy(hashed_.data(), &before, sizeof(before));
  std::memcpy(hashed_.data() + sizeof(before), tokens.data(), tokens.size_bytes());
  return FirstBytes(Sha256Of({hashed_.data(), hashed_.size()}));
}

void BlockChains::Apply(const PrefixChanges& changes, std::vector<KvEvent>* events) {
  for (const PrefixChanges::Kept& kept : changes.kept) Keep(kept, events);
  std::vector<uint64_t> removed;
  for (const uint64_t id : changes.gone) Forget(id, &removed);
  for (size_t first = 0; first < removed.size(); first += kMostHashes) {
    const auto begin = removed.begin() + static_cast<std::ptrdiff_t>(first);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kMostHashes, removed.size() - first));
    events->push_back(BlocksRemoved{.hashes = {begin, begin + count}});
  }
}

void BlockChains::Keep(const PrefixChanges::Kept& kept, std::vector<KvEvent>* events) {
  End end;
  if (kept.above != 0) {
    const auto above = ends_.find(kept.above);
    BATUCADA_CHECK(above != ends_.end(), "checkpoint ", kept.above, " was not told");
    end = above->second;
  }
  std::span<const int32_t> ids(kept.ids);
  if (end.position != kept.start) ids = {};  // the one above ends early
  const auto block = static_cast<size_t>(block_tokens_);
  BlocksStored stored;
  const auto tell = [&] {
    if (!stored.hashes.empty()) events->push_back(std::exchange(stored, {}));
  };
  for (size_t at = 0; at + block <= ids.size(); at += block) {
    const std::span<const int32_t> tokens = ids.subspan(at, block);
    const uint64_t before = end.last == 0 ? FirstBytes(Sha256Of(kept.scope)) : end.last;
    const uint64_t hash = HashOf(before, tokens);
    const auto [found, made] = blocks_.try_emplace(hash, Block{.parent = end.last});
    if (found->second.parent != end.last) break;
    if (made) {
      if (end.last != 0) ++blocks_.at(end.last).children;
      if (stored.hashes.empty()) {
        stored.parent = end.last;
        if (end.last == 0) stored.salt = std::string(SaltOf(kept.scope));
      }
      stored.hashes.push_back(hash);
      stored.tokens.insert(stored.tokens.end(), tokens.begin(), tokens.end());
      if (stored.tokens.size() >= kMostTokens) tell();
    }
    end = {.last = hash, .position = end.position + block_tokens_};
  }
  tell();
  if (end.last != 0) ++blocks_.at(end.last).ends;
  ends_.emplace(kept.id, end);
}

void BlockChains::Forget(uint64_t id, std::vector<uint64_t>* removed) {
  const auto end = ends_.find(id);
  BATUCADA_CHECK(end != ends_.end(), "checkpoint ", id, " was not told");
  uint64_t hash = end->second.last;
  ends_.erase(end);
  if (hash == 0) return;
  --blocks_.at(hash).ends;
  while (hash != 0) {
    const auto block = blocks_.find(hash);
    if (block->second.children > 0 || block->second.ends > 0) return;
    removed->push_back(hash);
    hash = block->second.parent;
    blocks_.erase(block);
    if (hash != 0) --blocks_.at(hash).children;
  }
}

}  // namespace batucada
