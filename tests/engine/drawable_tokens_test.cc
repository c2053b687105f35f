#include "engine/drawable_tokens.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using testing::HasSubstr;

constexpr int32_t kVocab = 8;
const std::vector<int32_t> kEnds = {0, 1};

absl::Status Check(const Request& request) { return CheckDrawable(request, kVocab, kEnds); }

Request Allowing(std::vector<int32_t> ids) {
  Request request{.prompt = std::vector<int32_t>{5}};
  request.sampling.allowed_token_ids = std::move(ids);
  return request;
}

TEST(DrawableTokensTest, RequestsThatLeaveATokenPass) {
  EXPECT_TRUE(Check(Request{.prompt = std::vector<int32_t>{5}}).ok());
  Request request = Allowing({0, 2, 3});
  request.sampling.bad_words = std::vector<std::vector<int32_t>>{{2}, {3, 3}};  // a run of two bans no token by itself
  request.sampling.min_tokens = 1;
  EXPECT_TRUE(Check(request).ok());
  request.sampling.logit_bias = std::vector<LogitBias>{{.id = 3, .bias = -99}};
  EXPECT_TRUE(Check(request).ok());
}

TEST(DrawableTokensTest, AllowedIdsThatAreAllBannedAreRefused) {
  Request request = Allowing({2, 3});
  request.sampling.bad_words = std::vector<std::vector<int32_t>>{{2}};
  EXPECT_TRUE(Check(request).ok());
  request.sampling.logit_bias = std::vector<LogitBias>{{.id = 3, .bias = -100}};
  EXPECT_TRUE(absl::IsInvalidArgument(Check(request)));
  EXPECT_THAT(std::string(Check(request).message()), HasSubstr("allowed_token_ids leaves none to be drawn"));
}

TEST(DrawableTokensTest, OnlyTokensThatEndTheTextAndAMinimumAreRefused) {
  Request request = Allowing({0, 1, 4});
  request.stop_token_ids = std::vector<int32_t>{4};
  EXPECT_TRUE(Check(request).ok()) << "it may end at once";
  request.sampling.min_tokens = 2;
  EXPECT_THAT(std::string(Check(request).message()), HasSubstr("min_tokens is 2"));
  request.ignore_eos = true;
  EXPECT_TRUE(Check(request).ok()) << "the model's own then end nothing";
}

TEST(DrawableTokensTest, AWholeVocabularyThatIsBannedIsRefused) {
  Request request = Allowing({});
  std::vector<LogitBias> all;
  for (int32_t id = 0; id < kVocab; ++id) all.push_back({.id = id, .bias = -100});
  request.sampling.logit_bias = all;
  EXPECT_THAT(std::string(Check(request).message()), HasSubstr("no token of the vocabulary"));
  all.pop_back();
  request.sampling.logit_bias = all;
  EXPECT_TRUE(Check(request).ok());
}

TEST(DrawableTokensTest, WhoOnlyScoresDrawsNothing) {
  Request request = Allowing({2});
  request.sampling.bad_words = std::vector<std::vector<int32_t>>{{2}};
  request.max_tokens = 0;
  EXPECT_TRUE(Check(request).ok());
}

}  // namespace
}  // namespace batucada
