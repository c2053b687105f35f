#include "server/open_inference/backend_names.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/common/error.h"

namespace batucada {
namespace {

namespace bj = boost::json;

// The members, or the name of what is refused.
std::string Members(const char* given) {
  ParameterNames names;
  const absl::StatusOr<bj::object> members = ToCompletionMembers(bj::parse(given).as_object(), &names);
  return members.ok() ? bj::serialize(*members) : ErrorParameter(members.status());
}

TEST(BackendNamesTest, OtherNamesOfTheSame) {
  EXPECT_EQ(Members(R"({"text_input":"a","stop_words":["b"],"random_seed":1,"min_length":2,"num_return_sequences":3})"),
            R"({"prompt":"a","stop":["b"],"seed":1,"min_tokens":2,"n":3})");
  EXPECT_EQ(Members(R"({"top_k":5,"colour":null})"), R"({"top_k":5})");
  EXPECT_EQ(Members(R"({"stop":"a","stop_words":"b"})"), "stop");
}

TEST(BackendNamesTest, AnEmptyWordIsNone) {
  EXPECT_EQ(Members(R"({"stop_words":"","bad_words":[""]})"), "{}");
  EXPECT_EQ(Members(R"({"stop_words":"","stop":"a","bad_words":["","b"]})"), R"({"stop":"a","bad_words":["b"]})");
}

TEST(BackendNamesTest, TheEndTokenStopsToo) {
  EXPECT_EQ(Members(R"({"end_id":2,"pad_id":0})"), R"({"stop_token_ids":[2]})");
  EXPECT_EQ(Members(R"({"end_id":"2","stop_token_ids":[1]})"), R"({"stop_token_ids":[1,2]})");
  EXPECT_EQ(Members(R"({"end_id":2,"stop_token_ids":1})"), R"({"stop_token_ids":[1,2]})");
  EXPECT_EQ(Members(R"({"end_id":"two"})"), "end_id");
  EXPECT_EQ(Members(R"({"pad_id":[2]})"), "pad_id");
}

TEST(BackendNamesTest, NamesAreToldForErrors) {
  ParameterNames names;
  const char* given = R"({"min_length":2,"n":1,"stop_token_ids":[1],"end_id":2})";
  ASSERT_TRUE(ToCompletionMembers(bj::parse(given).as_object(), &names).ok());
  EXPECT_THAT(names.others, ::testing::ElementsAre(::testing::Pair("min_tokens", "min_length"),
                                                   ::testing::Pair("stop_token_ids[1]", "end_id")));
}

TEST(BackendNamesTest, WhatIsNotDoneIsRefusedUnlessItAsksForNothing) {
  EXPECT_EQ(Members(R"({"beam_width":1.0,"return_log_probs":"false","length_penalty":1,"embedding_bias_words":""})"),
            "{}");
  for (const std::string name : {"beam_width", "return_log_probs", "return_finish_reason", "logprobs", "echo"}) {
    EXPECT_EQ(Members(("{\"" + name + "\":3}").c_str()), name);
  }
}

}  // namespace
}  // namespace batucada
