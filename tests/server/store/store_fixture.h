// A store in a directory of its own with a clock that the test moves, and what the store's tests put into it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/store/store.h"

namespace batucada {

inline constexpr StoreScope kMine = 7, kTheirs = 8;

class StoreTest : public testing::Test {
 protected:
  StoreTest()
      : directory_(std::filesystem::path(testing::TempDir()) / absl::StrCat("store", getpid(), "_", ++count_)) {}
  ~StoreTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Store> Open(int64_t max_bytes = 64 << 20) {
    absl::StatusOr<std::unique_ptr<Store>> store = TryOpen(max_bytes);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  absl::StatusOr<std::unique_ptr<Store>> TryOpen(int64_t max_bytes = 64 << 20) {
    return Store::Open(
        {.directory = directory_.string(), .lifetime = absl::Hours(1), .max_bytes = max_bytes, .now = [this] {
           return now_;
         }});
  }
  std::filesystem::path file() const { return directory_ / "store.db"; }

  static inline int count_ = 0;
  const std::filesystem::path directory_;
  int64_t now_ = 1'000'000'000'000'000;
};

inline StoredItem Item(const std::string& id) { return {.id = id, .json = absl::StrCat("{\"text\":\"", id, "\"}")}; }

// A response of an input and an output item that goes on from `previous`, if that is not empty.
inline absl::Status Put(Store& store, const std::string& id, const std::string& previous = "",
                        const std::string& conversation = "") {
  StoredResponse response{.id = id,
                          .json = absl::StrCat("{\"id\":\"", id, "\"}"),
                          .previous = previous,
                          .conversation = conversation,
                          .history = {},
                          .input = {Item(id + ".in")},
                          .output = {Item(id + ".out")}};
  if (!previous.empty() || !conversation.empty()) {
    const auto history =
        previous.empty() ? store.HistoryOfConversation(kMine, conversation) : store.HistoryOfResponse(kMine, previous);
    if (!history.ok()) return history.status();
    response.history = *history;
  }
  return store.PutResponse(kMine, response);
}

inline std::vector<std::string> Ids(const std::vector<StoredItem>& items) {
  std::vector<std::string> ids;
  for (const StoredItem& item : items) {
    EXPECT_EQ(item.json, Item(item.id).json);
    ids.push_back(item.id);
  }
  return ids;
}

// All that `id` was given, in order.
inline std::vector<std::string> Given(Store& store, const std::string& id) {
  const auto page = store.InputItems(kMine, id, {.limit = 10'000, .ascending = true});
  return page.ok() ? Ids(page->items) : std::vector<std::string>{std::string(page.status().message())};
}

inline std::vector<std::string> Conversation(Store& store, const std::string& id) {
  const auto page = store.ConversationItems(kMine, id, {.limit = 10'000, .ascending = true});
  return page.ok() ? Ids(page->items) : std::vector<std::string>{std::string(page.status().message())};
}

}  // namespace batucada
