#include "engine/prefix/prefix_tree.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine/prefix/checkpoint.h"

namespace batucada {
namespace {

using Ids = std::vector<int32_t>;

Ids TextOf(const PrefixNode* node) {
  Ids text;
  for (; node != nullptr; node = node->parent) text.insert(text.begin(), node->ids.begin(), node->ids.end());
  return text;
}

TEST(PrefixTree, KnowsTheLongestBeginningThatItHasSeen) {
  PrefixTree tree;
  std::mt19937 random(1);
  std::vector<Ids> texts;
  for (int i = 0; i < 2000; ++i) {
    Ids text(random() % 30);
    for (int32_t& id : text) id = static_cast<int32_t>(random() % 3);
    int64_t expected = 0, known = -1;
    for (const Ids& other : texts) {
      const auto parting = std::mismatch(text.begin(), text.end(), other.begin(), other.end()).first;
      expected = std::max<int64_t>(expected, parting - text.begin());
    }
    const PrefixNode* const leaf = tree.Extend(tree.Root(""), text, &known);
    ASSERT_EQ(known, expected);
    ASSERT_EQ(TextOf(leaf), text);
    ASSERT_EQ(leaf->end, static_cast<int64_t>(text.size()));
    texts.push_back(text);
  }
}

TEST(PrefixTree, NodesOnTheWayAreMadeWhereTheyAreAskedFor) {
  PrefixTree tree;
  int64_t known = 0;
  const Ids text = {1, 2, 3, 4, 5, 6};
  PrefixNode* const leaf = tree.Extend(tree.Root(""), text, &known);
  for (const int64_t position : {3, 5, 1, 6, 4, 2}) {
    PrefixNode* const node = tree.At(leaf, position);
    EXPECT_EQ(TextOf(node), Ids(text.begin(), text.begin() + position));
    EXPECT_EQ(node, tree.At(leaf, position));
    EXPECT_TRUE(PrefixTree::IsOnTheWay(node, leaf));
  }
  EXPECT_EQ(tree.At(leaf, 6), leaf);
  EXPECT_EQ(tree.tokens(), 6);
  PrefixNode* const other = tree.Extend(tree.Root(""), Ids{1, 2, 9}, &known);
  EXPECT_EQ(known, 2);
  EXPECT_FALSE(PrefixTree::IsOnTheWay(tree.At(leaf, 3), other));
  EXPECT_TRUE(PrefixTree::IsOnTheWay(tree.At(leaf, 2), other));
}

TEST(PrefixTree, ScopesAreTreesOfTheirOwn) {
  PrefixTree tree;
  int64_t known = 0;
  tree.Extend(tree.Root("a"), Ids{1, 2, 3}, &known);
  tree.Extend(tree.Root("b"), Ids{1, 2, 3}, &known);
  EXPECT_EQ(known, 0);
  tree.Extend(tree.Root("a"), Ids{1, 2, 3}, &known);
  EXPECT_EQ(known, 3);
}

TEST(PrefixTree, ForgetsWhatWasSeenLongestAgoAndKeepsWhatIsUsed) {
  PrefixTree tree;
  int64_t known = 0;
  std::vector<PrefixNode*> leaves;
  for (int32_t i = 0; i < 10; ++i) leaves.push_back(tree.Extend(tree.Root(""), Ids{7, i, i, i}, &known));
  StateCheckpoint kept;
  leaves[0]->checkpoint = &kept;
  leaves[1]->users = 1;
  tree.Extend(tree.Root(""), Ids{7, 2, 2, 2}, &known);
  constexpr int64_t kFourLeaves = 1 + 4 * 3 + 6 * PrefixTree::kNodeIds + 1;  // with what they share, and the root
  tree.Trim(kFourLeaves, 100);
  EXPECT_LE(tree.size(), kFourLeaves);
  for (const int32_t i : {0, 1, 2, 9}) {
    tree.Extend(tree.Root(""), Ids{7, i, i, i}, &known);
    EXPECT_EQ(known, 4) << i;
  }
  tree.Extend(tree.Root(""), Ids{7, 5, 5, 5}, &known);
  EXPECT_EQ(known, 1);
  leaves[0]->checkpoint = nullptr;
  leaves[1]->users = 0;
  tree.Trim(0, 100);
  EXPECT_EQ(tree.tokens(), 0);
  EXPECT_EQ(tree.size(), 0) << "nodes and roots are given back as they were counted";
}

// What the allocator has given away. 0 where another allocator stands in for it, as under sanitizers.
int64_t HeapBytes() { return static_cast<int64_t>(mallinfo2().uordblks + mallinfo2().hblkhd); }

TEST(PrefixTree, IsNoLargerThanItSays) {
  PrefixTree tree;
  Ids text(20'000);
  std::iota(text.begin(), text.end(), 0);
  int64_t known = 0, before = HeapBytes();
  const auto expect_bounded = [&](const char* what) {
    EXPECT_LE(HeapBytes() - before, tree.size() * static_cast<int64_t>(sizeof(int32_t))) << what;
    while (tree.size() > 0) tree.Trim(0, 1000);
    EXPECT_EQ(tree.tokens(), 0);
    before = HeapBytes();
  };
  for (int32_t i = 0; i < 20'000; ++i) tree.Extend(tree.Root(""), Ids{5, i % 100, i}, &known);
  EXPECT_GT(tree.size(), 20'000 * PrefixTree::kNodeIds);
  expect_bounded("nodes of one id");

  for (int32_t i = 0; i < 2000; ++i) tree.Extend(tree.Root(std::string(200, 'a') + std::to_string(i)), Ids{1}, &known);
  expect_bounded("scopes with long names");

  for (; text.size() > 19'000; text.pop_back()) tree.Extend(tree.Root(""), text, &known);
  EXPECT_EQ(tree.tokens(), 20'000);
  expect_bounded("one text that is cut again and again");
}

}  // namespace
}  // namespace batucada
