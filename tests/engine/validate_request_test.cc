#include "engine/validate_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace batucada {
namespace {

constexpr RequestLimits kLimits{.vocab_size = 100, .max_total_tokens = 1000};

Request Good() { return {.prompt = {1, 2, 3}, .max_tokens = 10}; }

TEST(ValidateRequest, AcceptsGoodRequests) {
  EXPECT_TRUE(ValidateRequest(Good(), kLimits).ok());
  Request score = Good();
  score.max_tokens = 0;
  score.prompt_logprobs = 20;
  EXPECT_TRUE(ValidateRequest(score, kLimits).ok());
  Request full = Good();
  full.max_tokens = 997;
  EXPECT_TRUE(ValidateRequest(full, kLimits).ok());
}

struct BadCase {
  std::string name;
  std::function<void(Request&)> spoil;
  std::string says;  // the message names field, value and limit
};

class ValidateRequestBad : public testing::TestWithParam<BadCase> {};

TEST_P(ValidateRequestBad, IsRefusedWithTheReason) {
  Request request = Good();
  GetParam().spoil(request);
  const absl::Status status = ValidateRequest(request, kLimits);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(GetParam().says));
}

TEST(ValidateRequest, ABiasMayForbidAndNotForce) {
  Request request = Good();
  request.sampling.logit_bias = {{.id = 7, .bias = -INFINITY}};
  EXPECT_TRUE(ValidateRequest(request, kLimits).ok());
  request.sampling.logit_bias = {{.id = 7, .bias = INFINITY}};
  EXPECT_FALSE(ValidateRequest(request, kLimits).ok());
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ValidateRequestBad,
    testing::Values(
        BadCase{"no_prompt", [](Request& r) { r.prompt = {}; }, "prompt is empty"},
        BadCase{"id_too_large",
                [](Request& r) {
                  r.prompt = {1, 100, 3};
                },
                "token id 100; ids must be between 0 and 99"},
        BadCase{"id_negative",
                [](Request& r) {
                  r.prompt = {1, -1, 3};
                },
                "token id -1"},
        BadCase{"stop_id",
                [](Request& r) {
                  r.stop_token_ids = {5, 1000};
                },
                "stop_token_ids holds the token id 1000"},
        BadCase{"max_tokens_negative", [](Request& r) { r.max_tokens = -5; }, "max_tokens is -5"},
        BadCase{"max_tokens_zero", [](Request& r) { r.max_tokens = 0; }, "max_tokens is 0"},
        BadCase{"too_long", [](Request& r) { r.max_tokens = 998; }, "together they may be at most 1000"},
        BadCase{"overflow", [](Request& r) { r.max_tokens = INT64_MAX; }, "together they may be at most 1000"},
        BadCase{"temperature", [](Request& r) { r.sampling.temperature = -1; }, "temperature is -1"},
        BadCase{"temperature_close", [](Request& r) { r.sampling.temperature = 2.0000002F; },
                "temperature is 2.0000002"},
        BadCase{"temperature_nan", [](Request& r) { r.sampling.temperature = NAN; }, "temperature is nan"},
        BadCase{"top_p_negative", [](Request& r) { r.sampling.top_p = -0.5F; }, "top_p is -0.5"},
        BadCase{"repetition", [](Request& r) { r.sampling.repetition_penalty = 0; }, "repetition_penalty is 0"},
        BadCase{"presence", [](Request& r) { r.sampling.presence_penalty = NAN; }, "presence_penalty is nan"},
        BadCase{"frequency", [](Request& r) { r.sampling.frequency_penalty = 3; }, "frequency_penalty is 3"},
        BadCase{"min_tokens", [](Request& r) { r.sampling.min_tokens = 11; }, "between 0 and max_tokens, 10"},
        BadCase{"bias_id", [](Request& r) { r.sampling.logit_bias = {{.id = 100}}; }, "logit_bias holds the token id"},
        BadCase{"bias", [](Request& r) { r.sampling.logit_bias = {{.id = 7, .bias = 101}}; }, "logit_bias of 7 is 101"},
        BadCase{"allowed", [](Request& r) { r.sampling.allowed_token_ids = {-1}; }, "allowed_token_ids holds"},
        BadCase{"bad_word_id",
                [](Request& r) {
                  r.sampling.bad_words = {{1, 200}};
                },
                "bad_words holds the token id"},
        BadCase{"bad_word_empty", [](Request& r) { r.sampling.bad_words = {{}}; }, "between 1 and 8 tokens"},
        BadCase{"bad_word_long",
                [](Request& r) {
                  r.sampling.bad_words = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
                },
                "is 9"},
        BadCase{"bad_words", [](Request& r) { r.sampling.bad_words = std::vector<std::vector<int32_t>>(65, {1}); },
                "bad_words is 65"},
        BadCase{"top_p_large", [](Request& r) { r.sampling.top_p = 1.5F; }, "top_p is 1.5"},
        BadCase{"min_p", [](Request& r) { r.sampling.min_p = -0.5F; }, "min_p is -0.5"},
        BadCase{"top_k", [](Request& r) { r.sampling.top_k = -2; }, "top_k is -2"},
        BadCase{"logprobs", [](Request& r) { r.logprobs = 21; }, "logprobs is 21"},
        BadCase{"prompt_logprobs", [](Request& r) { r.prompt_logprobs = -1; }, "prompt_logprobs is -1"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace batucada
