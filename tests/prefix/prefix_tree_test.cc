#include "engine/prefix/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
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
  tree.Trim(1 + 4 * 3, 100);
  EXPECT_LE(tree.tokens(), 1 + 4 * 3);
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
}

}  // namespace
}  // namespace batucada
