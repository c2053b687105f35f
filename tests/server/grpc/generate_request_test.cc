#include "server/grpc/generate_request.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/common/error.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;

TEST(GenerateRequestTest, ReadsEverything) {
  v1::GenerateRequest request;
  request.set_model("m");
  request.mutable_token_ids()->add_ids(5);
  request.set_max_tokens(7);
  request.set_n(2);
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_top_k(3);
  request.mutable_sampling()->set_seed(-9);
  request.mutable_stopping()->add_stop("x");
  request.mutable_stopping()->add_stop_token_ids(4);
  request.mutable_stopping()->set_ignore_eos(true);
  request.mutable_output()->set_logprobs(0);
  request.mutable_output()->set_echo(true);
  const auto params = ParseGenerateRequest(request);
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(params->model, "m");
  EXPECT_THAT(params->prompts, ElementsAre(Prompt(std::vector<int32_t>{5})));
  EXPECT_EQ(params->max_tokens, 7);
  EXPECT_EQ(params->n, 2);
  EXPECT_EQ(params->temperature, 0);
  EXPECT_EQ(params->top_k, 3);
  EXPECT_EQ(params->seed, -9);
  EXPECT_THAT(params->stop, ElementsAre("x"));
  EXPECT_THAT(params->stop_token_ids, ElementsAre(4));
  EXPECT_TRUE(params->ignore_eos && params->echo && params->skip_special_tokens);
  EXPECT_EQ(params->logprobs, 0);
}

TEST(GenerateRequestTest, WhatIsAbsentStaysAbsent) {
  v1::GenerateRequest request;
  request.set_text("");
  const auto params = ParseGenerateRequest(request);
  ASSERT_TRUE(params.ok());
  EXPECT_THAT(params->prompts, ElementsAre(Prompt("")));
  EXPECT_FALSE(params->max_tokens || params->n || params->temperature || params->top_p || params->top_k ||
               params->min_p || params->seed || params->logprobs || params->prompt_logprobs);
}

TEST(GenerateRequestTest, AStructuredOutputHoldsTheTextToSomething) {
  using Output = v1::StructuredOutput;
  const auto refused = [](const std::function<void(Output&)>& fill) {
    v1::GenerateRequest request;
    request.set_text("a");
    fill(*request.mutable_structured_output());
    return ErrorParameter(ParseGenerateRequest(request).status());
  };
  EXPECT_EQ(refused([](Output&) {}), "structured_output");
  EXPECT_EQ(refused([](Output& output) { output.set_json_object(false); }), "structured_output");
  EXPECT_EQ(refused([](Output& output) { output.set_json_schema(""); }), "structured_output.json_schema");
  EXPECT_EQ(refused([](Output& output) { output.set_regex(""); }), "structured_output.regex");
  EXPECT_EQ(refused([](Output& output) { output.set_grammar(""); }), "structured_output.grammar");
  EXPECT_EQ(refused([](Output& output) { output.set_structural_tag(""); }), "structured_output.structural_tag");
  EXPECT_EQ(refused([](Output& output) { output.mutable_choices(); }), "structured_output.choices");
  EXPECT_EQ(refused([](Output& output) {
              output.mutable_choices()->add_texts("a");
              output.mutable_choices()->add_texts("");
            }),
            "structured_output.choices.texts[1]");
  EXPECT_EQ(refused([](Output& output) { output.set_json_object(true); }), "");
  EXPECT_EQ(refused([](Output& output) { output.set_regex("a"); }), "");
}

TEST(GenerateRequestTest, APromptIsRequired) {
  EXPECT_EQ(ErrorParameter(ParseGenerateRequest(v1::GenerateRequest()).status()), "prompt");
}

}  // namespace
}  // namespace batucada
