#include "engine/pages/block_pool.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(BlockPool, WhatTheCacheAloneHoldsCanBeReclaimed) {
  BlockPool pool("blocks", 4);
  const std::vector<PageId> blocks = *pool.Allocate(2);
  pool.Cache(blocks[0]);
  EXPECT_EQ(pool.reclaimable(), 0);  // the sequence still has it
  pool.Release(blocks);
  EXPECT_EQ(pool.available(), 3);
  EXPECT_EQ(pool.reclaimable(), 1);
  pool.Share(blocks[0]);  // another sequence goes on from there
  EXPECT_EQ(pool.reclaimable(), 0);
  pool.Uncache(blocks[0]);
  EXPECT_EQ(pool.available(), 3);
  pool.Release({blocks[0]});
  EXPECT_EQ(pool.available(), 4);
  EXPECT_EQ(pool.reclaimable(), 0);
}

TEST(BlockPool, TwoCheckpointsHoldABlockUntilBothLetGo) {
  BlockPool pool("blocks", 2);
  const std::vector<PageId> blocks = *pool.Allocate(1);
  pool.Cache(blocks[0]);
  pool.Cache(blocks[0]);
  pool.Release(blocks);
  EXPECT_EQ(pool.reclaimable(), 1);
  pool.Uncache(blocks[0]);
  EXPECT_EQ(pool.reclaimable(), 1);
  EXPECT_EQ(pool.available(), 1);
  pool.Uncache(blocks[0]);
  EXPECT_EQ(pool.reclaimable(), 0);
  EXPECT_EQ(pool.available(), 2);
}

TEST(BlockPool, TheCacheMayHaveBlocksOfItsOwn) {
  BlockPool pool("blocks", 1);
  const std::optional<PageId> block = pool.AllocateCached();
  ASSERT_TRUE(block);
  EXPECT_EQ(pool.reclaimable(), 1);
  EXPECT_FALSE(pool.AllocateCached());
  pool.Uncache(*block);
  EXPECT_EQ(pool.available(), 1);
}

}  // namespace
}  // namespace batucada
