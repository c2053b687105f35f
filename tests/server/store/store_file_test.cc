// What is in a store's file, and beside it.
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

TEST_F(StoreTest, AFileThatIsTakenAwayIsNoticed) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  const std::filesystem::path elsewhere = directory_.string() + "_moved";
  std::filesystem::rename(directory_, elsewhere);
  for (const bool another : {false, true}) {
    if (another) {
      std::filesystem::create_directories(directory_);
      std::ofstream(file()) << "another one";
    }
    EXPECT_TRUE(absl::IsUnavailable(Put(*store, "b")));
    EXPECT_TRUE(absl::IsUnavailable(store->GetResponse(kMine, "a").status()));
    EXPECT_GT(store->Stats().failures, another ? 2U : 0U);
  }
  std::filesystem::remove_all(directory_);
  std::filesystem::rename(elsewhere, directory_);
  EXPECT_TRUE(Put(*store, "c").ok());
  EXPECT_TRUE(store->GetResponse(kMine, "a").ok());
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "b").status()));
}

TEST_F(StoreTest, EveryUnsoundFileIsKept) {
  for (const char* name : {"store.db.corrupt", "store.db.corrupt.2"}) {
    ASSERT_TRUE(Put(*Open(), "a").ok());
    std::ofstream(file(), std::ios::binary) << "no database, but as long as one" << std::string(8192, '!');
    ASSERT_TRUE(Put(*Open(), "b").ok()) << "a fresh one begins";
    EXPECT_THAT(BytesOf(directory_ / name), HasSubstr("no database"));
  }
}

TEST_F(StoreTest, RoomForDeletingIsKeptBesideTheFile) {
  const fs::path reserve = directory_ / "store.db-reserve";
  const auto store = Open();
  EXPECT_EQ(fs::file_size(reserve), 4 << 20);
  EXPECT_EQ(fs::status(reserve).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(SpendReserve(directory_.string()));
  EXPECT_FALSE(SpendReserve(directory_.string()));
  std::ofstream(reserve) << "a part of it";
  store->Sweep();
  EXPECT_EQ(fs::file_size(reserve), 4 << 20);
}

TEST_F(StoreTest, OnAFullDiskWhatIsThereCanBeDeleted) {
  fs::create_directories(directory_);
  // For this thread alone, and gone with the process.
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", directory_.c_str(), "tmpfs", 0, "size=16m") != 0) {
    GTEST_SKIP() << "a disk of its own is for root to make: " << std::strerror(errno);
  }
  {
    const auto store = Open();
    for (const char* id : {"k", "other"}) {
      ASSERT_TRUE(store->CreateConversation(kMine, {.id = id, .created = 1, .metadata = "{}"}, {Item("x")}).ok());
    }
    const fs::path others = directory_ / "others";
    std::ofstream filling(others);
    while (filling << std::string(1 << 10, 'x') << std::flush) {
    }
    absl::Status put;
    for (int i = 0; put.ok(); ++i) put = Put(*store, absl::StrCat("r", i));
    EXPECT_TRUE(absl::IsUnavailable(put)) << put;

    EXPECT_TRUE(store->DeleteConversation(kMine, "k").ok());
    EXPECT_TRUE(absl::IsNotFound(store->GetConversation(kMine, "k").status()));
    EXPECT_FALSE(fs::exists(directory_ / "store.db-reserve"));
    EXPECT_TRUE(store->DeleteConversation(kMine, "other").ok());
    fs::remove(others);
    filling.close();
    store->Sweep();
    EXPECT_TRUE(fs::exists(directory_ / "store.db-reserve"));
    EXPECT_TRUE(Put(*store, "new").ok());
  }
  umount2(directory_.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace batucada
