// What is in a store's file, and beside it.
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/store/store_file.h"
#include "tests/server/store/store_fixture.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string BytesOf(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST_F(StoreTest, WhatWasDeletedIsNotInTheFileAnyMore) {
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, "kept").ok());
    ASSERT_TRUE(Put(*store, "forgotten").ok());
  }
  EXPECT_THAT(BytesOf(file()), HasSubstr("forgotten.in"));
  {
    const auto store = Open();
    ASSERT_TRUE(store->DeleteResponse(kMine, "forgotten").ok());
  }
  EXPECT_THAT(BytesOf(file()), HasSubstr("kept.in"));
  EXPECT_THAT(BytesOf(file()), Not(HasSubstr("forgotten")));
}

// A log of the damaged file would be read into the fresh one.
TEST_F(StoreTest, AFileIsSetAsideWithAllThatBelongsToIt) {
  fs::create_directories(directory_);
  std::ofstream(directory_ / "store.db.corrupt-wal") << "an older one's";
  for (const char* part : {"", "-wal", "-shm"}) std::ofstream(file().string() + part) << "damaged" << part;
  ASSERT_TRUE(SetStoreFileAside(directory_.string()).ok());
  for (const char* part : {"", "-wal", "-shm"}) {
    EXPECT_FALSE(fs::exists(file().string() + part)) << part;
    EXPECT_EQ(BytesOf(file().string() + ".corrupt" + part), std::string("damaged") + part);
  }
  EXPECT_FALSE(fs::exists(directory_ / "store.db.corrupt-journal"));
}

}  // namespace
}  // namespace batucada
