#include "server/common/state_file.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace batucada {
namespace {

StateFile Sample() {
  return {
      .session = "talk",
      .state = {.model = "weights-cpu-12-w16", .salt = "s", .ids = {1, 2, 300'000}, .bytes = std::string(500, 'b')}};
}

TEST(StateFileTest, IsReadAsItWasWritten) {
  const StateFile sample = Sample();
  const std::string bytes = WriteStateFile(Sample());
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), StateFileBytes(sample, 500));
  const absl::StatusOr<StateFileHead> head = ReadStateFileHead(std::string_view(bytes).substr(0, kStateFileHeadBytes));
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->bytes, static_cast<int64_t>(bytes.size()));
  const absl::StatusOr<StateFile> read = ReadStateFile(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->session, sample.session);
  EXPECT_EQ(read->state.model, sample.state.model);
  EXPECT_EQ(read->state.salt, sample.state.salt);
  EXPECT_EQ(read->state.ids, sample.state.ids);
  EXPECT_EQ(read->state.bytes, sample.state.bytes);
}

// Else a file of a few bytes could make room for as many as its head says.
TEST(StateFileTest, LengthsBeyondAllThatIsWrittenAreRefused) {
  const std::string bytes = WriteStateFile(Sample());
  const std::pair<size_t, uint64_t> most[] = {
      {16, 64 << 10}, {24, 64 << 10}, {32, 64 << 10}, {40, uint64_t{1} << 31}, {48, uint64_t{1} << 40}};
  for (const auto& [at, length] : most) {
    for (const uint64_t more : {0, 1}) {
      std::string head = bytes.substr(0, kStateFileHeadBytes);
      const uint64_t told = length + more;
      std::memcpy(head.data() + at, &told, sizeof(told));
      EXPECT_EQ(ReadStateFileHead(head).ok(), more == 0) << "length at " << at;
    }
  }
}

TEST(StateFileTest, CutAnywhereItIsRefused) {
  const std::string bytes = WriteStateFile(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ReadStateFile(std::string_view(bytes).substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(ReadStateFile(bytes + "x").status().code(), absl::StatusCode::kDataLoss);
}

TEST(StateFileTest, WithAnyBitChangedItIsRefused) {
  std::string bytes = WriteStateFile(Sample());
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(ReadStateFile(bytes).status().code(), absl::StatusCode::kDataLoss) << "bit " << i;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
  }
  EXPECT_TRUE(ReadStateFile(bytes).ok());
}

}  // namespace
}  // namespace batucada
