// Checkpoints come and go at random in a tree of texts, and what is told of them is taken now and then. What a
// subscriber holds then are the blocks of all beginnings up to a checkpoint, as a model says that keeps the texts
// themselves.
#include "server/kv_events/block_chains.h"

#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "engine/prefix/checkpoint_watch.h"
#include "engine/prefix/prefix_tree.h"

namespace batucada {
namespace {

using Tokens = std::vector<int32_t>;
// Beginnings of texts, each as salt and tokens. The same may be there for several keys.
using Beginnings = std::multiset<std::pair<std::string, Tokens>>;

// As a router: blocks by their hash, each knowing the one before it.
class Subscriber {
 public:
  explicit Subscriber(int32_t block_tokens) : block_tokens_(static_cast<size_t>(block_tokens)) {}

  void Apply(const std::vector<KvEvent>& events) {
    for (const KvEvent& event : events) {
      if (const auto* const stored = std::get_if<BlocksStored>(&event)) Store(*stored);
      if (const auto* const removed = std::get_if<BlocksRemoved>(&event)) Remove(*removed);
    }
  }

  // What it believes to be there.
  Beginnings All() const {
    Beginnings all;
    for (const auto& [hash, block] : blocks_) {
      Tokens tokens;
      std::string salt;
      for (uint64_t at = hash; at != 0; at = blocks_.at(at).parent) {
        tokens.insert(tokens.begin(), blocks_.at(at).tokens.begin(), blocks_.at(at).tokens.end());
        salt = blocks_.at(at).salt;
      }
      all.emplace(salt, tokens);
    }
    return all;
  }

 private:
  struct Block {
    uint64_t parent = 0;
    Tokens tokens;
    std::string salt;
  };

  void Store(const BlocksStored& stored) {
    ASSERT_FALSE(stored.hashes.empty());
    ASSERT_EQ(stored.tokens.size(), stored.hashes.size() * block_tokens_);
    ASSERT_LE(stored.tokens.size(), BlockChains::kMostTokens + block_tokens_);
    uint64_t parent = stored.parent;
    ASSERT_TRUE(parent == 0 || blocks_.contains(parent)) << "behind a block that is not there";
    for (size_t i = 0; i < stored.hashes.size(); ++i) {
      const auto begin = stored.tokens.begin() + static_cast<std::ptrdiff_t>(i * block_tokens_);
      ASSERT_NE(stored.hashes[i], 0u);
      ASSERT_FALSE(blocks_.contains(stored.hashes[i])) << "stored twice";
      blocks_[stored.hashes[i]] = {.parent = parent,
                                   .tokens = {begin, begin + static_cast<std::ptrdiff_t>(block_tokens_)},
                                   .salt = parent == 0 ? stored.salt : ""};
      parent = stored.hashes[i];
    }
  }

  void Remove(const BlocksRemoved& removed) {
    ASSERT_LE(removed.hashes.size(), BlockChains::kMostHashes);
    for (const uint64_t hash : removed.hashes) {
      ASSERT_EQ(blocks_.erase(hash), 1u) << "removed, and was not there";
      for (const auto& [other, block] : blocks_) ASSERT_NE(block.parent, hash) << "removed before what is behind it";
    }
  }

  const size_t block_tokens_;
  std::map<uint64_t, Block> blocks_;
};

// Checkpoints in a tree, as the cache of prefixes has them.
class Life {
 public:
  Life(uint64_t seed, int32_t block_tokens)
      : random_(seed), block_tokens_(block_tokens), chains_(block_tokens), subscriber_(block_tokens) {}

  void Step() {
    switch (Below(5)) {
      case 0:
      case 1: Keep(); break;
      case 2: Forget(); break;
      case 3: Tell(/*most_ids=*/static_cast<int64_t>(Below(100))); break;
      default: break;
    }
  }

  void ForgetAll() {
    while (!kept_.empty()) Forget();
  }

  void TellAll() {
    while (Tell(1'000)) {
    }
    ASSERT_EQ(subscriber_.All(), Expected());
    ASSERT_EQ(chains_.blocks(), static_cast<int64_t>(Expected().size()));
  }

 private:
  struct Kept {
    std::string scope;
    Tokens text;
    std::unique_ptr<StateCheckpoint> checkpoint;
  };

  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Keep() {
    static const std::string kScopes[] = {"0:", "0:pepper", "9f:", "9f:a:b"};
    Kept kept{.scope = kScopes[Below(4)], .text = {}, .checkpoint = nullptr};
    if (!kept_.empty() && Below(4) > 0) {
      const Kept& other = kept_[Below(kept_.size())];
      kept.text.assign(other.text.begin(),
                       other.text.begin() + static_cast<std::ptrdiff_t>(Below(other.text.size() + 1)));
      if (Below(8) > 0) kept.scope = other.scope;
    }
    for (uint64_t more = 1 + Below(Below(4) > 0 ? 20 : 300); more > 0; --more) {
      kept.text.push_back(static_cast<int32_t>(Below(3)));
    }
    int64_t known = 0;
    PrefixNode* const leaf = tree_.Extend(tree_.Root(kept.scope), kept.text, &known);
    kept.text.resize(1 + Below(kept.text.size()));
    PrefixNode* const node = tree_.At(leaf, static_cast<int64_t>(kept.text.size()));
    if (node->checkpoint != nullptr) return watch_.Keep(node->checkpoint);  // that is known
    kept.checkpoint = std::make_unique<StateCheckpoint>();
    kept.checkpoint->node = node;
    node->checkpoint = kept.checkpoint.get();
    watch_.Keep(node->checkpoint);
    kept_.push_back(std::move(kept));
  }

  void Forget() {
    if (kept_.empty()) return;
    std::swap(kept_[Below(kept_.size())], kept_.back());
    watch_.Forget(kept_.back().checkpoint.get());
    kept_.back().checkpoint->node->checkpoint = nullptr;
    kept_.pop_back();
  }

  // Whether there is more to tell.
  bool Tell(int64_t most_ids) {
    const PrefixChanges changes = watch_.Take(most_ids, block_tokens_);
    std::vector<KvEvent> events;
    chains_.Apply(changes, &events);
    subscriber_.Apply(events);
    return changes.more;
  }

  Beginnings Expected() const {
    std::set<std::pair<std::string, Tokens>> beginnings;  // by scope
    for (const Kept& kept : kept_) {
      for (auto end = static_cast<size_t>(block_tokens_); end <= kept.text.size();
           end += static_cast<size_t>(block_tokens_)) {
        beginnings.emplace(kept.scope, Tokens(kept.text.begin(), kept.text.begin() + static_cast<std::ptrdiff_t>(end)));
      }
    }
    Beginnings all;
    for (const auto& [scope, tokens] : beginnings) all.emplace(scope.substr(scope.find(':') + 1), tokens);
    return all;
  }

  std::mt19937_64 random_;
  const int32_t block_tokens_;
  PrefixTree tree_;
  CheckpointWatch watch_;
  std::vector<Kept> kept_;
  BlockChains chains_;
  Subscriber subscriber_;
};

TEST(BlockChainsTest, ASubscriberHoldsWhatCheckpointsStandFor) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life life(seed, std::array{1, 4, 16, 64}[seed % 4]);
    for (int i = 0; i < 300; ++i) {
      life.Step();
      if (i % 50 == 49) life.TellAll();
      if (testing::Test::HasFatalFailure()) return;
    }
    life.ForgetAll();
    life.TellAll();
    if (testing::Test::HasFatalFailure()) return;
  }
}

PrefixChanges::Kept Text(uint64_t id, const std::string& scope, const Tokens& ids, uint64_t above = 0,
                         int64_t start = 0) {
  return {.id = id, .above = above, .scope = scope, .start = start, .ids = ids};
}

std::vector<KvEvent> Told(BlockChains& chains, const PrefixChanges& changes) {
  std::vector<KvEvent> events;
  chains.Apply(changes, &events);
  return events;
}

TEST(BlockChainsTest, HashesAreAlikeEverywhereAndDifferByScope) {
  BlockChains one(2), other(2);
  const auto hashes = [](const std::vector<KvEvent>& events) { return std::get<BlocksStored>(events.at(0)).hashes; };
  const std::vector<uint64_t> first = hashes(Told(one, {.kept = {Text(1, "0:", {1, 2, 3, 4, 5})}, .gone = {}}));
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(hashes(Told(other, {.kept = {Text(7, "0:", {1, 2, 3, 4})}, .gone = {}})), first);
  for (const char* scope : {"0:pepper", "1:"}) {
    const std::vector<uint64_t> theirs = hashes(Told(one, {.kept = {Text(2, scope, {1, 2, 3, 4, 5})}, .gone = {}}));
    EXPECT_NE(theirs[0], first[0]);
    EXPECT_NE(theirs[1], first[1]);
    EXPECT_TRUE(Told(one, {.kept = {}, .gone = {2}}).size() == 1u);
  }
}

TEST(BlockChainsTest, WhatATextHasGoneOnFromIsNotRemovedAndStoredAgain) {
  BlockChains chains(2);
  Told(chains, {.kept = {Text(1, "0:", {1, 2, 3})}, .gone = {}});
  const std::vector<KvEvent> events =
      Told(chains, {.kept = {Text(2, "0:", {3, 4, 5}, /*above=*/1, /*start=*/2)}, .gone = {1}});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<BlocksStored>(events[0]).tokens, (Tokens{3, 4}));
  EXPECT_EQ(chains.blocks(), 2);
}

TEST(BlockChainsTest, AnEventHasABound) {
  BlockChains chains(1);
  const Tokens ids(3 * BlockChains::kMostTokens + 5, 7);
  const std::vector<KvEvent> stored = Told(chains, {.kept = {Text(1, "0:", ids)}, .gone = {}});
  ASSERT_EQ(stored.size(), 4u);
  EXPECT_EQ(std::get<BlocksStored>(stored[0]).tokens.size(), BlockChains::kMostTokens);
  EXPECT_EQ(std::get<BlocksStored>(stored[3]).tokens.size(), 5u);
  EXPECT_EQ(std::get<BlocksStored>(stored[1]).parent, std::get<BlocksStored>(stored[0]).hashes.back());
  const std::vector<KvEvent> removed = Told(chains, {.kept = {}, .gone = {1}});
  size_t hashes = 0;
  for (const KvEvent& event : removed) {
    EXPECT_LE(std::get<BlocksRemoved>(event).hashes.size(), BlockChains::kMostHashes);
    hashes += std::get<BlocksRemoved>(event).hashes.size();
  }
  EXPECT_EQ(hashes, ids.size());
  EXPECT_EQ(chains.blocks(), 0);
}

TEST(CheckpointWatchTest, WhatCameAndWentIsNeverTold) {
  PrefixTree tree;
  CheckpointWatch watch;
  StateCheckpoint one, two;
  int64_t known = 0;
  one.node = tree.Extend(tree.Root("0:"), Tokens{1, 2, 3}, &known);
  two.node = tree.Extend(tree.Root("0:"), Tokens{1, 2, 3, 4, 5}, &known);
  one.node->checkpoint = &one;
  two.node->checkpoint = &two;
  watch.Keep(&one);
  watch.Keep(&two);
  watch.Forget(&one);
  one.node->checkpoint = nullptr;
  const PrefixChanges changes = watch.Take(100, 2);
  ASSERT_EQ(changes.kept.size(), 1u);
  EXPECT_EQ(changes.kept[0].ids, (Tokens{1, 2, 3, 4, 5}));
  EXPECT_EQ(changes.kept[0].above, 0u);
  EXPECT_TRUE(changes.gone.empty());
  EXPECT_TRUE(watch.Take(100, 2).empty());
  watch.Forget(&two);
  EXPECT_EQ(watch.Take(100, 2).gone, (std::vector<uint64_t>{changes.kept[0].id}));
}

}  // namespace
}  // namespace batucada
