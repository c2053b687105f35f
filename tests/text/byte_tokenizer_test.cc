#include "text/byte_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(ByteTokenizer, BytesRoundTrip) {
  const auto tokenizer = MakeByteTokenizer(1000);
  const auto ids = tokenizer->Encode("aé🙂", {});
  ASSERT_TRUE(ids.ok());
  EXPECT_THAT(*ids, testing::ElementsAre(0x61, 0xC3, 0xA9, 0xF0, 0x9F, 0x99, 0x82));
  EXPECT_EQ(tokenizer->Decode(*ids, true), "aé🙂");
  EXPECT_EQ(tokenizer->vocab_size(), 1000);
}

TEST(ByteTokenizer, OtherIdsSpellTheirNumber) {
  const auto tokenizer = MakeByteTokenizer(1000);
  EXPECT_EQ(tokenizer->Decode(std::vector<int32_t>{300, 999}, true), " t300 t999");
}

TEST(ByteTokenizer, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(MakeByteTokenizer(300)->Encode("\xFF", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace batucada
