// What a client can make the store do and keep: long work by steps, room by shares; and files of before.
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite.h"
#include "server/store/store.h"
#include "tests/server/store/store_fixture.h"

namespace batucada {
namespace {

std::vector<StoredItem> Items(int64_t count) {
  std::vector<StoredItem> items;
  for (int64_t i = 0; i < count; ++i) items.push_back(Item(absl::StrCat("i", i)));
  return items;
}

int Sweeps(Store& store) {
  int sweeps = 1;
  while (store.Sweep()) ++sweeps;
  return sweeps;
}

TEST_F(StoreTest, ALongConversationIsWrittenAndDeletedBySteps) {
  const auto store = Open();
  ASSERT_TRUE(
      store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, Items(kMaxHistoryItems)).ok());
  EXPECT_EQ(store->Stats().items, kMaxHistoryItems);
  EXPECT_FALSE(Sweeps(*store) > 1) << "nothing was left of the steps";
  EXPECT_EQ(store->BehindItem(kMine, "k", "i0")->count, kMaxHistoryItems - 1);
  EXPECT_EQ(store->BehindItem(kMine, "k", "i8191")->bytes, 0);
  ASSERT_TRUE(store->DeleteConversationItem(kMine, "k", "i0").ok());
  EXPECT_GE(store->Stats().items, 2 * kMaxHistoryItems - 1 - 4 * kStepItems) << "the old ones wait for their turn";
  EXPECT_TRUE(store->has_leftovers());
  EXPECT_GE(Sweeps(*store), kMaxHistoryItems / kStepItems - 4);
  EXPECT_FALSE(store->has_leftovers());
  EXPECT_EQ(store->Stats().items, kMaxHistoryItems - 1);
  const auto ids = Conversation(*store, "k");
  ASSERT_EQ(ids.size(), static_cast<size_t>(kMaxHistoryItems - 1));
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], absl::StrCat("i", i + 1));

  ASSERT_TRUE(store->DeleteConversation(kMine, "k").ok());
  EXPECT_GE(store->Stats().items, kMaxHistoryItems - 1 - kStepItems);
  EXPECT_TRUE(absl::IsNotFound(store->GetConversation(kMine, "k").status()));
  Sweeps(*store);
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, WhatWasLeftIsReleasedAfterARestart) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, Items(1000)).ok());
    ASSERT_TRUE(store->DeleteConversation(kMine, "k").ok());
    EXPECT_GT(store->Stats().items, 0);
  }
  const auto store = Open();
  EXPECT_TRUE(store->has_leftovers());
  Sweeps(*store);
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, WhatWasWrittenByStepsAndGivenUpGoes) {
  const auto store = Open();
  const absl::Status status = store->PutResponse(kMine, {.id = "a",
                                                         .json = "{}",
                                                         .previous = "",
                                                         .conversation = "",
                                                         .history = {},
                                                         .input = Items(1000),
                                                         .output = Items(kMaxHistoryItems)});
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_GT(store->Stats().items, 0);
  EXPECT_TRUE(store->has_leftovers());
  Sweeps(*store);
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, DeletingByStepsLosesNothingThatComesMeanwhile) {
  const auto store = Open();
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, Items(2000)).ok());
  std::thread grows([&] {
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(store->AppendItems(kMine, "k", {Item(absl::StrCat("more", i))}).ok());
  });
  std::thread shrinks([&] {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(store->DeleteConversationItem(kMine, "k", absl::StrCat("i", i)).ok());
  });
  for (int i = 1995; i < 2000; ++i) {
    EXPECT_TRUE(store->DeleteConversationItem(kMine, "k", absl::StrCat("i", i)).ok());
  }
  grows.join();
  shrinks.join();
  std::vector<std::string> expected;
  for (int i = 5; i < 1995; ++i) expected.push_back(absl::StrCat("i", i));
  for (int i = 0; i < 200; ++i) expected.push_back(absl::StrCat("more", i));
  EXPECT_EQ(Conversation(*store, "k"), expected);
  Sweeps(*store);
  EXPECT_EQ(store->Stats().items, static_cast<int64_t>(expected.size()));
}

TEST_F(StoreTest, GrowingByStepsLosesNothingThatComesMeanwhile) {
  const auto store = Open();
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {}).ok());
  constexpr int kThreads = 3, kTimes = 4, kMany = 500;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int time = 0; time < kTimes; ++time) {
        std::vector<StoredItem> items;
        for (int i = 0; i < kMany; ++i) items.push_back(Item(absl::StrCat(thread, ".", time, ".", i)));
        EXPECT_TRUE(store->AppendItems(kMine, "k", items).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> there = Conversation(*store, "k");
  ASSERT_EQ(there.size(), size_t{kThreads * kTimes * kMany});
  // What came at once stands together, and each thread's in its order.
  std::vector<int> times(kThreads);
  for (size_t at = 0; at < there.size(); at += kMany) {
    const int thread = there[at][0] - '0', time = times[static_cast<size_t>(thread)]++;
    for (size_t i = 0; i < kMany; ++i) EXPECT_EQ(there[at + i], absl::StrCat(thread, ".", time, ".", i));
  }
}

TEST_F(StoreTest, WhoeverHasMostMakesRoom) {
  const auto store = Open(1 << 20);
  const auto put = [&](StoreScope scope, const std::string& id, size_t bytes) {
    return store->PutResponse(scope, {.id = id,
                                      .json = "{}",
                                      .previous = "",
                                      .conversation = "",
                                      .history = {},
                                      .input = {{"i", std::string(bytes, 'x')}},
                                      .output = {}});
  };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(kTheirs, absl::StrCat("t", i), 20'000).ok());
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(put(kMine, absl::StrCat("r", i), 20'000).ok());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(store->GetResponse(kTheirs, absl::StrCat("t", i)).ok()) << i;
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "r0").status()));
  // Until they have as much as the other.
  for (int i = 10; i < 300; ++i) ASSERT_TRUE(put(kTheirs, absl::StrCat("t", i), 20'000).ok());
  EXPECT_TRUE(store->GetResponse(kMine, "r299").ok());
  EXPECT_TRUE(store->GetResponse(kMine, "r285").ok());
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kTheirs, "t0").status()));
}

// A machine's clock may have been set back before the server starts again: what comes then is the latest all the same,
// and not the first to make room.
TEST_F(StoreTest, WhatComesAfterARestartIsUsedLaterWhateverTheClockSays) {
  constexpr int64_t kSize = 1 << 20;
  const auto put = [](Store& store, const std::string& id) {
    return store.PutResponse(kMine, {.id = id,
                                     .json = "{}",
                                     .previous = "",
                                     .conversation = "",
                                     .history = {},
                                     .input = {{"i", std::string(20'000, 'x')}},
                                     .output = {}});
  };
  {
    const auto store = Open(kSize);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(put(*store, absl::StrCat("before", i)).ok());
    EXPECT_EQ(store->Stats().evicted, 0U);
  }
  now_ -= absl::ToInt64Microseconds(absl::Minutes(1));
  const auto store = Open(kSize);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(put(*store, absl::StrCat("after", i)).ok());
  EXPECT_GT(store->Stats().evicted, 0U);
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "before0").status()));
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(store->GetResponse(kMine, absl::StrCat("after", i)).ok()) << i;
}

// One wrong pointer of a damaged file.
TEST_F(StoreTest, AWayThatLeadsNowhereEnds) {
  constexpr size_t kChain = 2;  // all items of the file behind each other, more than a history has
  const char* const kParents[] = {"node", "node + 1", "node - 1", "(SELECT max(node) FROM items)", "-node"};
  for (size_t i = 0; i < std::size(kParents); ++i) {
    std::filesystem::remove_all(directory_);
    {
      const auto store = Open();
      for (const char* id : {"j", "k"}) {
        const std::vector<StoredItem> items = Items(i == kChain ? kMaxHistoryItems - 2 : 5);
        ASSERT_TRUE(store->CreateConversation(kMine, {.id = id, .created = 1, .metadata = "{}"}, items).ok());
      }
      ASSERT_TRUE(Put(*store, "a").ok());
      ASSERT_TRUE(Put(*store, "b", "a", "k").ok());
    }
    {
      const auto database = Database::Open(file().string());
      ASSERT_TRUE((*database)->Run(absl::StrCat("UPDATE items SET parent = ", kParents[i])).ok());
    }
    const auto store = Open();
    const auto got = store->GetResponse(kMine, "b");
    const auto history = store->HistoryOfResponse(kMine, "b");
    ASSERT_TRUE(history.ok()) << history.status();
    EXPECT_TRUE(absl::IsNotFound(store->ReadHistory(*history).status())) << kParents[i];
    EXPECT_TRUE(absl::IsNotFound(store->InputItems(kMine, "b", {}).status())) << kParents[i];
    EXPECT_TRUE(absl::IsNotFound(store->ConversationItems(kMine, "k", {}).status())) << kParents[i];
    EXPECT_TRUE(absl::IsNotFound(store->BehindItem(kMine, "k", "none").status())) << kParents[i];
    EXPECT_TRUE(absl::IsNotFound(store->DeleteConversationItem(kMine, "k", "none"))) << kParents[i];
    EXPECT_TRUE(i == kChain ? got.ok() : absl::IsNotFound(got.status())) << kParents[i] << got.status();
    // Ends, and what is no longer sound is set aside.
    store->DeleteResponse(kMine, "b").IgnoreError();
    Sweeps(*store);
    EXPECT_TRUE(Put(*store, "c").ok());
    EXPECT_EQ(Given(*store, "c").size(), 1U);
  }
}

TEST_F(StoreTest, AFileOfTheFirstVersionIsUpgraded) {
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, "a").ok());
  }
  {
    const auto database = Database::Open(file().string());
    ASSERT_TRUE((*database)
                    ->Run("DROP TABLE shares; DROP TABLE loose; DROP INDEX responses_by_owner; "
                          "DROP INDEX conversations_by_owner; PRAGMA user_version = 1")
                    .ok());
    for (const char* table : {"items", "responses", "conversations"}) {
      for (const auto& [trigger, when, sign] :
           {std::tuple("more_", "INSERT", "+"), std::tuple("fewer_", "DELETE", "-")}) {
        ASSERT_TRUE((*database)
                        ->Run(absl::StrCat("DROP TRIGGER ", trigger, table, "; CREATE TRIGGER ", trigger, table,
                                           " AFTER ", when, " ON ", table, " BEGIN UPDATE counts SET ", table, " = ",
                                           table, " ", sign, " 1; END"))
                        .ok());
      }
    }
  }
  {
    const auto store = Open();
    EXPECT_EQ(store->GetResponse(kMine, "a")->json, R"({"id":"a"})");
    ASSERT_TRUE(Put(*store, "b", "a").ok());
    EXPECT_EQ(store->Stats().responses, 2);
    EXPECT_EQ(store->Stats().items, 4);
  }
  const auto database = Database::Open(file().string());
  EXPECT_EQ(*(*database)->Number("SELECT bytes FROM shares"),
            *(*database)->Number("SELECT (SELECT sum(128 + length(id) + length(json)) FROM items) + "
                                 "(SELECT sum(128 + length(id) + length(json)) FROM responses)"));
}

}  // namespace
}  // namespace batucada
