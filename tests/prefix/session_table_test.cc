#include "engine/prefix/session_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/prefix/checkpoint.h"

namespace batucada {
namespace {

constexpr absl::Time kNow = absl::UnixEpoch();

std::vector<std::string> NamesOf(const SessionTable& table, uint64_t owner) {
  std::vector<std::string> names;
  for (const SessionTable::Session* session : table.Of(owner)) names.push_back(session->name);
  return names;
}

TEST(SessionTable, OwnersNeverMeetAndTheLatestComesFirst) {
  SessionTable table;
  StateCheckpoint a, b;
  table.Point(1, "x", &a, kNow);
  table.Point(1, "y", &b, kNow);
  table.Point(2, "x", &b, kNow);
  table.Point(1, "x", &b, kNow);
  EXPECT_EQ(NamesOf(table, 1), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(NamesOf(table, 2), (std::vector<std::string>{"x"}));
  EXPECT_EQ(table.Find(1, "x")->tip, &b);
  EXPECT_FALSE(table.StandsAt(&a));
  EXPECT_TRUE(table.Erase(1, "x"));
  EXPECT_FALSE(table.Erase(1, "x"));
  EXPECT_EQ(table.Find(2, "x")->tip, &b);
  EXPECT_EQ(table.size(), 2u);
}

TEST(SessionTable, WhatItStoodAtGoesAndItFallsBackOrIsNoMore) {
  SessionTable table;
  StateCheckpoint tip, before;
  table.Point(1, "x", &tip, kNow);
  table.Point(2, "y", &tip, kNow);
  table.Move(&tip, &before);
  EXPECT_EQ(table.Find(1, "x")->tip, &before);
  EXPECT_EQ(table.Find(2, "y")->tip, &before);
  table.Move(&before, nullptr);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_FALSE(table.StandsAt(&before));
}

TEST(SessionTable, AnOwnerHasSoManyAndNobodyElseLosesByIt) {
  SessionTable table;
  StateCheckpoint tip;
  table.Point(2, "mine", &tip, kNow);
  for (size_t i = 0; i <= SessionTable::kMostOfOwner; ++i) table.Point(1, std::to_string(i), &tip, kNow);
  EXPECT_EQ(table.Of(1).size(), SessionTable::kMostOfOwner);
  EXPECT_EQ(table.Find(1, "0"), nullptr);
  EXPECT_NE(table.Find(1, "1"), nullptr);
  std::vector<std::unique_ptr<StateCheckpoint>> tips;
  for (uint64_t owner = 3; owner < 3 + 2 * SessionTable::kMost / SessionTable::kMostOfOwner; ++owner) {
    tips.push_back(std::make_unique<StateCheckpoint>());
    for (size_t i = 0; i < SessionTable::kMostOfOwner; ++i)
      table.Point(owner, std::to_string(i), tips.back().get(), kNow);
  }
  EXPECT_EQ(table.size(), SessionTable::kMost);
  EXPECT_NE(table.Find(2, "mine"), nullptr);
}

TEST(SessionTable, NamesComeBackFromTheDiskAndNothingElseDoes) {
  SessionTable table;
  StateCheckpoint tip, other;
  table.Point(1, "x", &tip, kNow);
  table.Point(9, std::string(SessionTable::kMostNameBytes, 'n'), &tip, kNow);
  const std::string names = table.NamesAt(&tip);
  EXPECT_EQ(table.NamesAt(&other), "");
  SessionTable next;
  next.Adopt(names, &other, kNow);
  EXPECT_EQ(next.size(), 2u);
  EXPECT_EQ(next.Find(1, "x")->tip, &other);
  std::mt19937 random(1);
  for (size_t cut = 0; cut < names.size(); ++cut) {
    SessionTable damaged;
    damaged.Adopt(names.substr(0, cut), &other, kNow);
    EXPECT_LT(damaged.size(), 2u);
    std::string changed = names;
    changed[random() % changed.size()] = static_cast<char>(random());
    damaged.Adopt(changed, &other, kNow);  // whatever comes of it, within bounds
  }
}

}  // namespace
}  // namespace batucada
