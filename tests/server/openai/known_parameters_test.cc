#include "server/openai/known_parameters.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/serialize.hpp>

#include "absl/container/flat_hash_set.h"
#include "server/common/error.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string With(std::string_view body, std::string_view name, const std::string& value) {
  return fmt::format(R"({{{},"{}":{}}})", body, name, value);
}

// Both ways to ask, with what each needs.
constexpr std::string_view kPrompt = R"("prompt":"a")";
constexpr std::string_view kMessages = R"("messages":[{"role":"user","content":"a"}])";

absl::Status ParseBoth(std::string_view name, const std::string& value) {
  const absl::Status text = ParseCompletionRequest(With(kPrompt, name, value)).status();
  return text.ok() ? ParseChatRequest(With(kMessages, name, value)).status() : text;
}

TEST(KnownParametersTest, NeutralValuesAreAcceptedAndNull) {
  absl::flat_hash_set<std::string_view> names;
  for (const KnownParameter& known : KnownParameters()) {
    EXPECT_TRUE(names.insert(known.name).second) << known.name << " is there twice";
    EXPECT_FALSE(known.note.empty()) << known.name;
    EXPECT_TRUE(ParseBoth(known.name, "null").ok()) << known.name;
    if (known.neutral == "*") {
      for (const char* value : {"7", "\"x\"", "[1]", "{\"a\":1}", "false"}) {
        EXPECT_TRUE(ParseBoth(known.name, value).ok()) << known.name;
      }
      continue;
    }
    for (const boost::json::value& value : NeutralValues(known)) {
      EXPECT_TRUE(ParseBoth(known.name, boost::json::serialize(value)).ok()) << known.name << " " << value;
    }
  }
  EXPECT_GT(names.size(), 100u);
}

TEST(KnownParametersTest, OtherValuesAreRefusedByNameAndValue) {
  for (const KnownParameter& known : KnownParameters()) {
    // Completions serve these.
    if (known.neutral == "*" || known.name == "best_of" || known.name == "random_seed") continue;
    const absl::Status status = ParseCompletionRequest(With(kPrompt, known.name, "77")).status();
    EXPECT_EQ(ErrorParameter(status), known.name);
    EXPECT_EQ(ErrorCode(status), "unsupported_parameter") << known.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(fmt::format("{} is 77", known.name)));
  }
}

TEST(KnownParametersTest, WhatOtherApisMayLackIsServedHere) {
  for (const KnownParameter& known : OpenAiParameters()) {
    EXPECT_FALSE(known.note.empty()) << known.name;
    const bool served = CompletionParameters().Has(known.name) || ChatParameters().Has(known.name);
    EXPECT_TRUE(served || known.name == "n_cmpl") << known.name;
  }
}

TEST(KnownParametersTest, LongValuesAreNotRepeated) {
  const std::string value = "\"" + std::string(100'000, 'x') + "\"";
  EXPECT_LT(ParseCompletionRequest(With(kPrompt, "stop_regex", value)).status().message().size(), 200u);
}

TEST(UnknownMembersTest, AreIgnoredAndNamedOnlyWhereThatIsThePolicy) {
  const std::string body = R"({"prompt":"a","x":1,"nothing":null,"stream":true,"stream_options":{"y":2}})";
  EXPECT_EQ(ErrorCode(ParseCompletionRequest(body).status()), "unknown_parameter");
  UnknownMembers unknown = {.policy = UnknownMembers::Policy::kIgnore};
  EXPECT_TRUE(ParseCompletionRequest(body, &unknown).ok());
  EXPECT_THAT(unknown.named, ElementsAre("stream_options.y", "x"));
  EXPECT_EQ(unknown.List(), "stream_options.y, x");
}

TEST(UnknownMembersTest, TheListIsFitForAHeader) {
  UnknownMembers unknown;
  unknown.Ignore("a\r\nb");
  unknown.Ignore(std::string(65, 'x'));
  EXPECT_EQ(unknown.List(), "?, ?");
  for (int i = 0; i < 1000; ++i) unknown.Ignore("x");
  EXPECT_EQ(unknown.named.size(), UnknownMembers::kMaxNamed);
  EXPECT_EQ(unknown.ignored, 1002u);
  EXPECT_THAT(unknown.List(), ::testing::EndsWith(", x, ..."));
}

}  // namespace
}  // namespace batucada
