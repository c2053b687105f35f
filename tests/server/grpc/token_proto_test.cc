#include "server/grpc/token_proto.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(TokenProtoTest, TokensSayHowLikelyTheyWereIfAskedFor) {
  const TokenResult token{.id = 7, .logprob = -0.5F, .rank = 3, .top = {{.id = 9, .logprob = -0.25F}}};
  v1::Token plain, full;
  ToProto(token, /*with_logprob=*/false, &plain);
  EXPECT_EQ(plain.id(), 7);
  EXPECT_EQ(plain.rank(), 0);
  EXPECT_EQ(plain.top_logprobs_size(), 0);
  ToProto(token, /*with_logprob=*/true, &full);
  EXPECT_EQ(full.id(), 7);
  EXPECT_EQ(full.logprob(), -0.5F);
  EXPECT_EQ(full.rank(), 3);
  ASSERT_EQ(full.top_logprobs_size(), 1);
  EXPECT_EQ(full.top_logprobs(0).id(), 9);
  EXPECT_EQ(full.top_logprobs(0).logprob(), -0.25F);
}

TEST(TokenProtoTest, EndsHaveTheirReasons) {
  EXPECT_EQ(ToProto(FinishReason::kStop), v1::FINISH_REASON_STOP);
  EXPECT_EQ(ToProto(FinishReason::kLength), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(ToProto(FinishReason::kShutdown), v1::FINISH_REASON_SHUTDOWN);
  for (const FinishReason told_by_status : {FinishReason::kCancelled, FinishReason::kDeadline, FinishReason::kError}) {
    EXPECT_EQ(ToProto(told_by_status), v1::FINISH_REASON_UNSPECIFIED);
  }
  v1::GenerateResponse by_text, by_token;
  SetFinish({.reason = FinishReason::kStop, .stop_string = "end"}, &by_text);
  EXPECT_EQ(by_text.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(by_text.stop_string(), "end");
  SetFinish({.reason = FinishReason::kStop, .stop_token = 2}, &by_token);
  EXPECT_EQ(by_token.stop_token_id(), 2);
}

}  // namespace
}  // namespace batucada
