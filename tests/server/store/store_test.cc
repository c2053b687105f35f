#include "server/store/store.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/store/store_thread.h"
#include "tests/server/store/store_fixture.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST_F(StoreTest, AResponseOutlivesItsConversation) {
  const auto store = Open();
  StoredResponse response = {.id = "a",
                             .json = "{}",
                             .previous = "",
                             .conversation = "deleted meanwhile",
                             .history = {},
                             .input = {Item("x")},
                             .output = {Item("y")}};
  ASSERT_TRUE(store->PutResponse(kMine, response).ok());
  const absl::StatusOr<ReadResponse> kept = store->GetResponse(kMine, "a");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->output.size(), 1);
}

TEST_F(StoreTest, AnIdIsThatOfOneItemOfAHistory) {
  const auto store = Open();
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {Item("x")}).ok());
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "other", .created = 1, .metadata = "{}"}, {Item("y")}).ok());
  std::vector<StoredItem> many;
  for (int i = 0; i < 300; ++i) many.push_back(Item(absl::StrCat("more", i)));
  ASSERT_TRUE(store->AppendItems(kMine, "k", many).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(store->AppendItems(kMine, "k", {Item("new"), Item("more7")})));
  EXPECT_TRUE(absl::IsInvalidArgument(store->AppendItems(kMine, "k", many)));
  EXPECT_TRUE(store->AppendItems(kMine, "k", {Item("y")}).ok()) << "it is another history's";
  EXPECT_EQ(store->HistoryOfConversation(kMine, "k")->count, 302);
}

TEST_F(StoreTest, WhatGoesOnFromTheSameSharesItAndOutlivesIt) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  ASSERT_TRUE(Put(*store, "b", "a").ok());
  ASSERT_TRUE(Put(*store, "c", "a").ok());
  EXPECT_EQ(store->Stats().items, 6);
  EXPECT_THAT(Given(*store, "b"), ElementsAre("a.in", "a.out", "b.in"));
  EXPECT_THAT(Given(*store, "c"), ElementsAre("a.in", "a.out", "c.in"));

  ASSERT_TRUE(store->DeleteResponse(kMine, "a").ok());
  EXPECT_TRUE(absl::IsNotFound(store->DeleteResponse(kMine, "a")));
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "a").status()));
  EXPECT_THAT(Given(*store, "b"), ElementsAre("a.in", "a.out", "b.in"));
  ASSERT_TRUE(store->DeleteResponse(kMine, "b").ok());
  EXPECT_THAT(Given(*store, "c"), ElementsAre("a.in", "a.out", "c.in"));
  ASSERT_TRUE(store->DeleteResponse(kMine, "c").ok());
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, AnotherScopeSeesNothing) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {Item("x")}).ok());
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kTheirs, "a").status()));
  EXPECT_TRUE(absl::IsNotFound(store->InputItems(kTheirs, "a", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(store->HistoryOfResponse(kTheirs, "a").status()));
  EXPECT_TRUE(absl::IsNotFound(store->DeleteResponse(kTheirs, "a")));
  EXPECT_TRUE(absl::IsNotFound(store->FindItem(kTheirs, "a.in").status()));
  EXPECT_TRUE(absl::IsNotFound(store->GetConversation(kTheirs, "k").status()));
  EXPECT_TRUE(absl::IsNotFound(store->ConversationItems(kTheirs, "k", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(store->AppendItems(kTheirs, "k", {Item("y")})));
  EXPECT_TRUE(absl::IsNotFound(store->UpdateConversation(kTheirs, "k", "{}")));
  EXPECT_TRUE(absl::IsNotFound(store->DeleteConversationItem(kTheirs, "k", "x")));
  EXPECT_TRUE(absl::IsNotFound(store->DeleteConversation(kTheirs, "k")));
  EXPECT_TRUE(store->GetResponse(kMine, "a").ok());
  EXPECT_EQ(store->FindItem(kMine, "a.in")->json, Item("a.in").json);
}

TEST_F(StoreTest, WhatWasWrittenIsThereAfterARestart) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 5, .metadata = "{\"a\":1}"}, {Item("x")}).ok());
    ASSERT_TRUE(Put(*store, "a", "", "k").ok());
    ASSERT_TRUE(store->UpdateConversation(kMine, "k", "{\"a\":2}").ok());
  }
  const auto store = Open();
  const auto response = store->GetResponse(kMine, "a");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->json, "{\"id\":\"a\"}");
  EXPECT_THAT(Ids(response->output), ElementsAre("a.out"));
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre("x", "a.in", "a.out"));
  EXPECT_EQ(store->GetConversation(kMine, "k")->metadata, "{\"a\":2}");
  EXPECT_EQ(store->GetConversation(kMine, "k")->created, 5);
  EXPECT_EQ(store->GetConversation(kMine, "k")->used, now_ / 1'000'000);
  EXPECT_EQ(store->Stats().responses, 1);
  EXPECT_EQ(store->Stats().conversations, 1);
  EXPECT_EQ(store->Stats().items, 3);
}

TEST_F(StoreTest, OnlyWhatHasEndedWellIsGoneOnFrom) {
  const auto store = Open();
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {}).ok());
  StoredResponse response{.id = "a",
                          .json = "{}",
                          .previous = "",
                          .conversation = "k",
                          .history = {},
                          .input = {Item("in")},
                          .output = {},
                          .state = ResponseState::kRunning};
  ASSERT_TRUE(store->PutResponse(kMine, response).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store->HistoryOfResponse(kMine, "a").status()));
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre());
  response.output = {Item("out")};
  response.state = ResponseState::kFailed;
  ASSERT_TRUE(store->PutResponse(kMine, response).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store->HistoryOfResponse(kMine, "a").status()));
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre());
  response.state = ResponseState::kEnded;
  ASSERT_TRUE(store->PutResponse(kMine, response).ok());
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre("in", "out"));
  EXPECT_EQ(store->Stats().responses, 1);
  EXPECT_EQ(store->Stats().items, 2);
}

TEST_F(StoreTest, AConversationThatGrewMeanwhileGrowsByBoth) {
  const auto store = Open();
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {Item("x")}).ok());
  const History early = *store->HistoryOfConversation(kMine, "k");
  ASSERT_TRUE(Put(*store, "a", "", "k").ok());
  ASSERT_TRUE(store
                  ->PutResponse(kMine, {.id = "b",
                                        .json = "{}",
                                        .previous = "",
                                        .conversation = "k",
                                        .history = early,
                                        .input = {Item("a.in"), Item("b.in")},
                                        .output = {Item("b.out")}})
                  .ok());
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre("x", "a.in", "a.out", "b.in", "b.out"))
      << "an item of an id that it has by now is that";
  EXPECT_THAT(Given(*store, "b"), ElementsAre("x", "a.in", "b.in"));
}

TEST_F(StoreTest, NothingIsWrittenBehindWhatHasGone) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  const History history = *store->HistoryOfResponse(kMine, "a");
  ASSERT_TRUE(store->DeleteResponse(kMine, "a").ok());
  const absl::Status status = store->PutResponse(kMine, {.id = "b",
                                                         .json = "{}",
                                                         .previous = "a",
                                                         .conversation = "",
                                                         .history = history,
                                                         .input = {Item("in")},
                                                         .output = {}});
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_TRUE(absl::IsNotFound(store->ReadHistory(history).status()));
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, WhatWasReadIsKnownUntilItGoes) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  ASSERT_TRUE(Put(*store, "b", "a").ok());
  const History first = *store->HistoryOfResponse(kMine, "a"), second = *store->HistoryOfResponse(kMine, "b");
  const auto texts = [&](const History& history) {
    std::vector<std::string> read;
    const auto items = store->ReadHistory(history);
    EXPECT_TRUE(items.ok()) << items.status();
    if (!items.ok()) return read;
    for (const auto& item : *items) {
      read.emplace_back(item->value.at("text").as_string());
      EXPECT_EQ(item->bytes, static_cast<int64_t>(Item(read.back()).json.size()));
    }
    return read;
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(texts(first), ElementsAre("a.in", "a.out"));
    EXPECT_THAT(texts(second), ElementsAre("a.in", "a.out", "b.in", "b.out"));
  }
  ASSERT_TRUE(store->DeleteResponse(kMine, "a").ok());  // "b" still has its items
  EXPECT_THAT(texts(second), ElementsAre("a.in", "a.out", "b.in", "b.out"));
  ASSERT_TRUE(store->DeleteResponse(kMine, "b").ok());
  EXPECT_TRUE(absl::IsNotFound(store->ReadHistory(second).status()));
  EXPECT_TRUE(absl::IsNotFound(store->ReadHistory(first).status()));
}

TEST(ItemMemoryTest, HoldsSoMuchAndForgets) {
  ItemMemory memory;
  const auto item = [](int64_t bytes) {
    boost::json::value text = boost::json::string(static_cast<size_t>(bytes), 'a');
    return std::make_shared<KnownItem>(KnownItem{.value = std::move(text)});
  };
  for (ItemNode node = 1; node <= 100; ++node) memory.Keep(node, item(1 << 20), memory.era());
  EXPECT_LE(memory.bytes(), ItemMemory::kMostBytes);
  EXPECT_EQ(memory.Find(1), nullptr);
  EXPECT_NE(memory.Find(100), nullptr);
  memory.Keep(101, item(ItemMemory::kMostBytes), memory.era());  // it alone would be most of it
  EXPECT_EQ(memory.Find(101), nullptr);
  // A million numbers of two bytes each are not two megabytes.
  const int64_t held = memory.bytes();
  memory.Clear();
  boost::json::value numbers = boost::json::array(1'000'000, 1);
  memory.Keep(102, std::make_shared<KnownItem>(KnownItem{.value = std::move(numbers)}), memory.era());
  EXPECT_GT(memory.bytes(), 1'000'000 * static_cast<int64_t>(sizeof(boost::json::value)));
  memory.Clear();
  for (ItemNode node = 1; node <= 100; ++node) memory.Keep(node, item(1 << 20), memory.era());
  EXPECT_EQ(memory.bytes(), held);
  const uint64_t before = memory.era();
  memory.Forget(100);
  EXPECT_EQ(memory.Find(100), nullptr);
  memory.Keep(100, item(1), before);  // it was being read when it was deleted
  EXPECT_EQ(memory.Find(100), nullptr);
  memory.Clear();
  EXPECT_EQ(memory.bytes(), 0);
}

TEST_F(StoreTest, PagesGoThroughAListInBothOrders) {
  const auto store = Open();
  std::vector<StoredItem> items;
  for (int i = 0; i < 7; ++i) items.push_back(Item(absl::StrCat("i", i)));
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, items).ok());
  const auto page = [&](int64_t limit, bool ascending, const std::string& after) {
    return *store->ConversationItems(kMine, "k", {.limit = limit, .ascending = ascending, .after = after});
  };
  EXPECT_THAT(Ids(page(3, true, "").items), ElementsAre("i0", "i1", "i2"));
  EXPECT_THAT(Ids(page(3, true, "i2").items), ElementsAre("i3", "i4", "i5"));
  EXPECT_TRUE(page(3, true, "i2").has_more);
  EXPECT_THAT(Ids(page(3, true, "i5").items), ElementsAre("i6"));
  EXPECT_FALSE(page(3, true, "i5").has_more);
  EXPECT_FALSE(page(7, true, "").has_more);
  EXPECT_THAT(Ids(page(3, false, "").items), ElementsAre("i6", "i5", "i4"));
  EXPECT_THAT(Ids(page(4, false, "i4").items), ElementsAre("i3", "i2", "i1", "i0"));
  EXPECT_THAT(Ids(page(4, false, "i0").items), ElementsAre());
  EXPECT_TRUE(absl::IsInvalidArgument(store->ConversationItems(kMine, "k", {.after = "i7"}).status()));
}

TEST_F(StoreTest, ItemsCanBeTakenOutOfAConversation) {
  const auto store = Open();
  ASSERT_TRUE(
      store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {Item("x"), Item("y"), Item("z")})
          .ok());
  ASSERT_TRUE(Put(*store, "a", "", "k").ok());
  ASSERT_TRUE(store->DeleteConversationItem(kMine, "k", "y").ok());
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre("x", "z", "a.in", "a.out"));
  EXPECT_THAT(Given(*store, "a"), ElementsAre("x", "y", "z", "a.in"));
  EXPECT_TRUE(absl::IsNotFound(store->DeleteConversationItem(kMine, "k", "y")));
  EXPECT_TRUE(absl::IsNotFound(store->ConversationItem(kMine, "k", "y").status()));
  EXPECT_EQ(store->ConversationItem(kMine, "k", "z")->json, Item("z").json);
  ASSERT_TRUE(store->DeleteResponse(kMine, "a").ok());
  ASSERT_TRUE(store->DeleteConversation(kMine, "k").ok());
  EXPECT_EQ(store->Stats().items, 0);
}

TEST_F(StoreTest, WhatNobodyUsesIsGoneAfterItsTime) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  ASSERT_TRUE(Put(*store, "b").ok());
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, {Item("x")}).ok());
  now_ += 40LL * 60 * 1'000'000;
  ASSERT_TRUE(Put(*store, "c", "b").ok());  // a use of b
  ASSERT_TRUE(store->AppendItems(kMine, "k", {Item("y")}).ok());
  now_ += 40LL * 60 * 1'000'000;
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "a").status()));
  EXPECT_TRUE(store->GetResponse(kMine, "b").ok());
  EXPECT_EQ(store->Stats().responses, 3);
  EXPECT_FALSE(store->Sweep());
  EXPECT_EQ(store->Stats().responses, 2);
  EXPECT_EQ(store->Stats().expired, 1U);
  EXPECT_THAT(Given(*store, "c"), ElementsAre("b.in", "b.out", "c.in"));
  EXPECT_THAT(Conversation(*store, "k"), ElementsAre("x", "y"));
}

TEST_F(StoreTest, TheLeastRecentlyUsedMakesRoom) {
  constexpr int64_t kSize = 1 << 20;
  const auto store = Open(kSize);
  const std::string text(20'000, 'x');
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store
                    ->PutResponse(kMine, {.id = absl::StrCat("r", i),
                                          .json = "{}",
                                          .previous = "r0",
                                          .conversation = "",
                                          .history = {},
                                          .input = {{"i", text}},
                                          .output = {}})
                    .ok());
    EXPECT_LE(store->Stats().bytes, kSize);
  }
  EXPECT_TRUE(store->GetResponse(kMine, "r299").ok());
  EXPECT_TRUE(store->GetResponse(kMine, "r0").ok()) << "it was used by each";
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "r1").status()));
  EXPECT_GT(store->Stats().evicted, 200U);
  EXPECT_EQ(store->Stats().responses + static_cast<int64_t>(store->Stats().evicted), 300);
  EXPECT_LE(fs::file_size(file()), static_cast<uintmax_t>(kSize * 3 / 2));

  const absl::Status large = store->PutResponse(kMine, {.id = "l",
                                                        .json = std::string(kSize / 4 + 1, 'x'),
                                                        .previous = "",
                                                        .conversation = "",
                                                        .history = {},
                                                        .input = {},
                                                        .output = {}});
  EXPECT_TRUE(absl::IsResourceExhausted(large)) << large;
  EXPECT_TRUE(store->GetResponse(kMine, "r299").ok());
}

TEST_F(StoreTest, HistoriesHaveABound) {
  const auto store = Open();
  std::vector<StoredItem> items(kMaxHistoryItems, Item("x"));
  ASSERT_TRUE(store->CreateConversation(kMine, {.id = "k", .created = 1, .metadata = "{}"}, items).ok());
  const absl::Status status = store->AppendItems(kMine, "k", {Item("y")});
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(store->HistoryOfConversation(kMine, "k")->count, kMaxHistoryItems);
}

TEST_F(StoreTest, ADirectoryIsOneProcesssAndOnesOwn) {
  const auto store = Open();
  const auto second = TryOpen();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use by another process"));
  struct stat found {};
  ASSERT_EQ(stat(file().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(StoreTest, AnotherProgramsFileIsLeftAlone) {
  fs::create_directories(directory_);
  {
    const auto database = Database::Open(file().string());
    ASSERT_TRUE((*database)->Run("CREATE TABLE theirs(a)").ok());
  }
  EXPECT_THAT(std::string(TryOpen().status().message()), HasSubstr("another program's database"));
  fs::remove(file());
  { const auto store = Open(); }
  {
    const auto database = Database::Open(file().string());
    ASSERT_TRUE((*database)->Run("PRAGMA user_version = 99").ok());
  }
  EXPECT_THAT(std::string(TryOpen().status().message()), HasSubstr("another version"));
}

std::string Contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Every damage leads to an exact answer or to none.
void ExpectSoundOrNothing(Store& store) {
  for (const char* id : {"a", "b"}) {
    const auto response = store.GetResponse(kMine, id);
    if (!response.ok()) continue;
    EXPECT_EQ(response->json, absl::StrCat("{\"id\":\"", id, "\"}"));
    EXPECT_THAT(Ids(response->output), ElementsAre(std::string(id) + ".out"));
    const auto given = store.InputItems(kMine, id, {.ascending = true});
    if (!given.ok()) continue;
    if (std::string_view(id) == "a") {
      EXPECT_THAT(Ids(given->items), ElementsAre("a.in"));
    } else {
      EXPECT_THAT(Ids(given->items), ElementsAre("a.in", "a.out", "b.in"));
    }
  }
}

TEST_F(StoreTest, DamagedFilesGiveNoWrongAnswer) {
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, "a").ok());
    ASSERT_TRUE(Put(*store, "b", "a").ok());
  }
  const std::string sound = Contents(file());
  const auto check = [&](const std::string& damaged) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    std::ofstream(file(), std::ios::binary) << damaged;
    const auto store = TryOpen();
    if (!store.ok()) {  // whose file it is cannot be told
      EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
      return false;
    }
    ExpectSoundOrNothing(**store);
    const absl::Status first = Put(**store, "c");
    EXPECT_TRUE(first.ok() || fs::exists(directory_ / "store.db.corrupt")) << first;
    EXPECT_TRUE(Put(**store, "c").ok());
    EXPECT_TRUE((*store)->GetResponse(kMine, "c").ok());
    return fs::exists(directory_ / "store.db.corrupt");
  };
  int set_aside = 0;
  for (size_t length = 1; length < sound.size(); length += 997) set_aside += check(sound.substr(0, length));
  EXPECT_GT(set_aside, 10);
  for (size_t at = 0; at < sound.size(); at += 131) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    set_aside += check(damaged);
  }
  EXPECT_GT(set_aside, 20);
}

TEST_F(StoreTest, AFullDiskLosesWhatIsNewAndNothingElse) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a").ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const absl::Status status = Put(*store, "b");
  const auto still = store->GetResponse(kMine, "a");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(store->Stats().failures, 1U);
  EXPECT_TRUE(still.ok()) << still.status();
  EXPECT_TRUE(absl::IsNotFound(store->GetResponse(kMine, "b").status()));
  EXPECT_TRUE(Put(*store, "b").ok());
  EXPECT_TRUE(store->GetResponse(kMine, "b").ok());
}

TEST_F(StoreTest, ItsThreadDoesAllThatWasPosted) {
  const auto store = Open();
  {
    StoreThread thread(*store, absl::Hours(1));
    for (int i = 0; i < 20; ++i) {
      thread.Post(/*client=*/1, [&store, i] { EXPECT_TRUE(Put(*store, absl::StrCat("r", i)).ok()); });
    }
  }
  EXPECT_EQ(store->Stats().responses, 20);
}

TEST_F(StoreTest, ItsThreadTakesClientsInTurns) {
  const auto store = Open();
  std::vector<std::pair<uint64_t, int>> done;
  {
    StoreThread thread(*store, absl::Hours(1));
    std::promise<void> all_posted;
    thread.Post(/*client=*/0, [posted = all_posted.get_future().share()] { posted.wait(); });
    int number = 0;
    for (const uint64_t client : {7, 7, 7, 7, 8, 9, 9}) {
      thread.Post(client, [&done, client, number] { done.emplace_back(client, number); });
      ++number;
    }
    all_posted.set_value();
  }
  EXPECT_THAT(done, ElementsAre(Pair(7, 0), Pair(8, 4), Pair(9, 5), Pair(7, 1), Pair(9, 6), Pair(7, 2), Pair(7, 3)));
}

}  // namespace
}  // namespace batucada
