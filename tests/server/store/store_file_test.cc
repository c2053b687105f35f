// What is in a store's file, and beside it.
#include <algorithm>
#include <filesystem>
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

// A log of the damaged file would be read into the fresh one, and of a file that is set aside the next one takes
// nothing.
TEST_F(StoreTest, AFileIsSetAsideWithAllThatBelongsToIt) {
  fs::create_directories(directory_);
  std::ofstream(directory_ / "store.db.corrupt-wal") << "an older one's";
  for (int i = 2; i <= kMostAside + 1; ++i) {
    const int number = std::min(i, kMostAside);
    for (const char* part : {"", "-wal", "-shm"}) std::ofstream(file().string() + part) << "damaged " << i << part;
    const absl::StatusOr<std::string> name = SetStoreFileAside(directory_.string());
    ASSERT_TRUE(name.ok()) << name.status();
    EXPECT_EQ(*name, absl::StrCat("store.db.corrupt.", number));
    for (const char* part : {"", "-wal", "-shm"}) {
      EXPECT_FALSE(fs::exists(file().string() + part)) << part;
      EXPECT_EQ(BytesOf(directory_ / absl::StrCat(*name, part)), absl::StrCat("damaged ", i, part));
    }
    EXPECT_FALSE(fs::exists(directory_ / absl::StrCat(*name, "-journal")));
  }
  EXPECT_EQ(BytesOf(directory_ / "store.db.corrupt-wal"), "an older one's");
  EXPECT_EQ(BytesOf(directory_ / "store.db.corrupt.2"), "damaged 2");
}

TEST_F(StoreTest, EveryUnsoundFileIsKept) {
  for (const char* name : {"store.db.corrupt", "store.db.corrupt.2"}) {
    ASSERT_TRUE(Put(*Open(), "a").ok());
    std::ofstream(file(), std::ios::binary) << "no database, but as long as one" << std::string(8192, '!');
    ASSERT_TRUE(Put(*Open(), "b").ok()) << "a fresh one begins";
    EXPECT_THAT(BytesOf(directory_ / name), HasSubstr("no database"));
  }
}

}  // namespace
}  // namespace batucada
