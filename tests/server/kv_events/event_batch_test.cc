// The bytes are msgspec's (0.22.0): what it makes of vLLM's structs, which are maps since 0.24 and were arrays before.
#include "server/kv_events/event_batch.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "server/kv_events/msgpack.h"
#include "server/kv_events/replay_buffer.h"

namespace batucada {
namespace {

constexpr uint64_t kLarge = (uint64_t{1} << 63) + 1;

std::vector<KvEvent> Events() {
  return {AllBlocksCleared(),
          BlocksStored{.parent = 0, .salt = "pepper", .hashes = {5, kLarge}, .tokens = {1, 300, 70'000, 4}},
          BlocksStored{.parent = kLarge, .salt = "", .hashes = {7}, .tokens = {9, 10}},
          BlocksRemoved{.hashes = {7, 5}}};
}

TEST(EventBatchTest, MapsAreVllms) {
  EXPECT_EQ(absl::BytesToHexString(EncodeBatch(Events(), 1.5, 2, KvEventForm::kMap)),
            "93cb3ff80000000000009481a474797065b0416c6c426c6f636b73436c656172656489a474797065ab426c6f636b53746f726564"
            "ac626c6f636b5f6861736865739205cf8000000000000001b1706172656e745f626c6f636b5f68617368c0a9746f6b656e5f6964"
            "739401cd012cce0001117004aa626c6f636b5f73697a6502a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f6e61"
            "6d65c0aa65787472615f6b6579739291a6706570706572c089a474797065ab426c6f636b53746f726564ac626c6f636b5f686173"
            "6865739107b1706172656e745f626c6f636b5f68617368cf8000000000000001a9746f6b656e5f69647392090aaa626c6f636b5f"
            "73697a6502a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f6e616d65c0aa65787472615f6b65797391c083a474"
            "797065ac426c6f636b52656d6f766564ac626c6f636b5f686173686573920705a66d656469756da347505500");
}

TEST(EventBatchTest, ArraysAreOlderVllms) {
  EXPECT_EQ(absl::BytesToHexString(EncodeBatch(Events(), 1.5, 2, KvEventForm::kArray)),
            "93cb3ff80000000000009491b0416c6c426c6f636b73436c656172656499ab426c6f636b53746f7265649205cf80000000000000"
            "01c09401cd012cce000111700402c0a3475055c09291a6706570706572c099ab426c6f636b53746f7265649107cf800000000000"
            "000192090a02c0a3475055c091c093ac426c6f636b52656d6f766564920705a347505500");
}

TEST(MsgpackTest, NumbersTakeTheShortestForm) {
  const std::pair<uint64_t, const char*> cases[] = {{0, "00"},
                                                    {127, "7f"},
                                                    {128, "cc80"},
                                                    {255, "ccff"},
                                                    {256, "cd0100"},
                                                    {65'535, "cdffff"},
                                                    {65'536, "ce00010000"},
                                                    {4'294'967'295, "ceffffffff"},
                                                    {4'294'967'296, "cf0000000100000000"},
                                                    {UINT64_MAX, "cfffffffffffffffff"}};
  for (const auto& [number, hex] : cases) {
    std::string out;
    msgpack::AppendUint(number, &out);
    EXPECT_EQ(absl::BytesToHexString(out), hex) << number;
  }
}

TEST(MsgpackTest, LengthsTakeTheShortestForm) {
  const std::pair<size_t, const char*> strings[] = {
      {31, "bf"}, {32, "d920"}, {255, "d9ff"}, {256, "da0100"}, {65'536, "db00010000"}};
  for (const auto& [size, hex] : strings) {
    std::string out;
    msgpack::AppendString(std::string(size, 'a'), &out);
    EXPECT_EQ(absl::BytesToHexString(out.substr(0, out.size() - size)), hex) << size;
  }
  const std::pair<size_t, const char*> arrays[] = {{15, "9f"}, {16, "dc0010"}, {65'536, "dd00010000"}};
  for (const auto& [size, hex] : arrays) {
    std::string out;
    msgpack::AppendArray(size, &out);
    EXPECT_EQ(absl::BytesToHexString(out), hex) << size;
  }
}

TEST(ReplayBufferTest, KeepsTheLastBatchesThatFit) {
  ReplayBuffer buffer(10'000, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(buffer.Add(std::string(900, static_cast<char>(i))), static_cast<uint64_t>(i));
  }
  EXPECT_EQ(buffer.next(), 100u);
  EXPECT_GE(buffer.first(), 89u);
  EXPECT_LE(buffer.first(), 91u);
  for (uint64_t number = buffer.first(); number < buffer.next(); ++number) {
    EXPECT_EQ(buffer.At(number), std::string(900, static_cast<char>(number)));
  }
}

TEST(ReplayBufferTest, WhatDoesNotFitHasANumberAllTheSame) {
  ReplayBuffer buffer(100, 7);
  EXPECT_EQ(buffer.Add(std::string(1000, 'a')), 7u);
  EXPECT_EQ(buffer.first(), 8u);
  EXPECT_EQ(buffer.Add("short"), 8u);
  EXPECT_EQ(buffer.At(8), "short");
  EXPECT_TRUE(buffer.HasAllFrom(8));
  EXPECT_FALSE(buffer.HasAllFrom(7));
  EXPECT_TRUE(ReplayBuffer(100, 7).HasAllFrom(0));
}

}  // namespace
}  // namespace batucada
