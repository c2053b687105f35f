// Places in a conversation's text as numbers of tokens.
#include "text/breakpoints.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "text/byte_tokenizer.h"

namespace batucada {
namespace {

TEST(BreakpointsTest, ATokenThatEndsAtABreakpointIsBeforeIt) {
  const std::unique_ptr<Tokenizer> tokenizer = MakeByteTokenizer(299);
  const std::string text = "rules";
  const std::vector<int32_t> ids = *tokenizer->Encode(text, {.add_special_tokens = false});
  ASSERT_EQ(ids.size(), text.size());
  EXPECT_EQ(BreakpointTokens({2, 5}, text, ids, *tokenizer), (std::vector<int64_t>{2, 5}));
}

}  // namespace
}  // namespace batucada
