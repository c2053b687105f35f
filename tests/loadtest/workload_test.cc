// Traces, prompts and what is made of them.
#include <algorithm>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadtest/chaos/chaos_mix.h"
#include "loadtest/workload/length_range.h"
#include "loadtest/workload/made_up_workload.h"
#include "loadtest/workload/trace.h"
#include "loadtest/workload/trace_workload.h"

namespace batucada::loadtest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string TextOf(const Turn& turn) {
  std::string text;
  for (const Message& message : turn.prompt.messages) text += message.role + ": " + message.text + "\n";
  return text;
}

PromptMaker Ids() { return PromptMaker({.kind = PromptKind::kIds}); }

TEST(Trace, ReadsRowsAndRunsOfBlocks) {
  const auto rows =
      ParseTrace("arrival_ms,input_tokens,output_tokens,blocks\n0,10,2,7\r\n1500,1100,3,7 9-10\n2000,5,1,\n");
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 3);
  EXPECT_EQ((*rows)[1].arrival, std::chrono::milliseconds(1500));
  EXPECT_EQ((*rows)[1].input_tokens, 1100);
  EXPECT_EQ((*rows)[1].output_tokens, 3);
  EXPECT_THAT((*rows)[1].blocks, ElementsAre(7, 9, 10));
  EXPECT_TRUE((*rows)[2].blocks.empty());
}

TEST(Trace, SaysWhichLineIsWrong) {
  const std::string head = "arrival_ms,input_tokens,output_tokens,blocks\n";
  for (const std::string line : {"1,2", "x,1,1", "-1,1,1", "1,0,1", "1,1,0", "1,1,99999999999", "1,10,1,1 2",
                                 "1,10,1,x", "1,600,1,5-4", "1,600,1,0-99999999", "nan,1,1", "1,1,1,1,1"}) {
    const auto rows = ParseTrace(head + "1,1,1\n" + line + "\n");
    ASSERT_FALSE(rows.ok()) << line;
    EXPECT_THAT(std::string(rows.status().message()), HasSubstr("line 3")) << line;
  }
  EXPECT_FALSE(ParseTrace(head + "5,1,1\n4,1,1\n").ok()) << "time runs backwards";
  EXPECT_FALSE(ParseTrace(head).ok()) << "no rows";
  EXPECT_FALSE(ParseTrace("TIMESTAMP,ContextTokens\n").ok());
  EXPECT_FALSE(ParseTrace("").ok());
}

TEST(Trace, OursAreWholeAndAsDescribed) {
  const std::string folder = BATUCADA_SOURCE_DIR "/loadtest/traces/";
  struct {
    const char* name;
    size_t rows;
    int64_t median_input;
  } const wanted[] = {{"azure_llm_2023_code", 8819, 1469},
                      {"azure_llm_2023_conv", 19366, 1020},
                      {"mooncake_conversation", 12031, 6909}};
  for (const auto& [name, count, median] : wanted) {
    const auto rows = ReadTrace(folder + name + ".csv");
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(rows->size(), count) << name;
    std::vector<int64_t> inputs;
    for (const TraceRow& row : *rows) inputs.push_back(row.input_tokens);
    std::nth_element(inputs.begin(), inputs.begin() + inputs.size() / 2, inputs.end());
    EXPECT_EQ(inputs[inputs.size() / 2], median) << name;
  }
}

TEST(TraceWorkload, EqualBlocksAreEqualTokens) {
  const PromptMaker prompts = Ids();
  const auto rows =
      ParseTrace("arrival_ms,input_tokens,output_tokens,blocks\n0,1024,2,1-2\n0,1300,4,1-3\n0,1024,2,4 2\n");
  ASSERT_TRUE(rows.ok());
  const TraceWorkload workload(prompts, 5, *rows, 1);
  const std::vector<int32_t> a = workload.Make(0).turns[0].prompt.ids;
  const std::vector<int32_t> b = workload.Make(1).turns[0].prompt.ids;
  const std::vector<int32_t> c = workload.Make(2).turns[0].prompt.ids;
  ASSERT_EQ(a.size(), 1024);
  ASSERT_EQ(b.size(), 1300);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
  EXPECT_FALSE(std::equal(a.begin(), a.begin() + 512, c.begin()));
  EXPECT_TRUE(std::equal(a.begin() + 512, a.end(), c.begin() + 512));
  EXPECT_EQ(*workload.size(), 3);
}

TEST(TraceWorkload, ScalesLengths) {
  const PromptMaker prompts = Ids();
  const auto rows = ParseTrace("arrival_ms,input_tokens,output_tokens,blocks\n0,1024,20,1-2\n0,3,1,\n");
  const TraceWorkload workload(prompts, 5, *rows, 0.1);
  EXPECT_EQ(workload.Make(0).turns[0].prompt.ids.size(), 102);
  EXPECT_EQ(workload.Make(0).turns[0].output_tokens, 2);
  EXPECT_EQ(workload.Make(1).turns[0].prompt.ids.size(), 1) << "at least one";
}

TEST(MadeUpWorkload, LengthsCoverTheirRange) {
  const PromptMaker prompts = Ids();
  const MadeUpWorkload workload(prompts, {.seed = 3, .input = {5, 8}, .output = {2, 2}});
  std::set<size_t> lengths;
  for (uint64_t i = 0; i < 200; ++i) {
    const Session session = workload.Make(i);
    ASSERT_EQ(session.turns.size(), 1);
    lengths.insert(session.turns[0].prompt.ids.size());
    EXPECT_EQ(session.turns[0].output_tokens, 2);
  }
  EXPECT_THAT(lengths, ElementsAre(5, 6, 7, 8));
}

TEST(MadeUpWorkload, TheSameSeedAndIndexGiveTheSameSession) {
  const PromptMaker prompts({.kind = PromptKind::kText});
  const MadeUpWorkload one(prompts, {.seed = 3, .input = {5, 80}, .output = {2, 20}, .turns = {2, 3}});
  const MadeUpWorkload same(prompts, {.seed = 3, .input = {5, 80}, .output = {2, 20}, .turns = {2, 3}});
  const MadeUpWorkload other(prompts, {.seed = 4, .input = {5, 80}, .output = {2, 20}, .turns = {2, 3}});
  for (const uint64_t index : {9, 0, 100'000}) {
    const Session a = one.Make(index), b = same.Make(index);
    ASSERT_EQ(a.turns.size(), b.turns.size());
    for (size_t i = 0; i < a.turns.size(); ++i) EXPECT_EQ(TextOf(a.turns[i]), TextOf(b.turns[i]));
    EXPECT_NE(TextOf(a.turns[0]), TextOf(other.Make(index).turns[0]));
    EXPECT_NE(TextOf(a.turns[0]), TextOf(a.turns[1])) << "each question has its own words";
  }
}

TEST(MadeUpWorkload, PrefixesAreSharedAndTheRestIsNot) {
  const PromptMaker prompts = Ids();
  const MadeUpWorkload workload(prompts,
                                {.seed = 1, .input = {16, 16}, .output = {1, 1}, .prefixes = 3, .prefix_tokens = 32});
  std::set<std::vector<int32_t>> prefixes, rests;
  for (uint64_t i = 0; i < 60; ++i) {
    const Turn turn = workload.Make(i).turns[0];
    const std::vector<int32_t>& ids = turn.prompt.ids;
    ASSERT_EQ(ids.size(), 48);
    EXPECT_EQ(turn.prompt_tokens, 48);
    prefixes.emplace(ids.begin(), ids.begin() + 32);
    rests.emplace(ids.begin() + 32, ids.end());
  }
  EXPECT_EQ(prefixes.size(), 3);
  EXPECT_EQ(rests.size(), 60);
}

TEST(PromptMaker, TextIsAboutAsLongAsWanted) {
  const PromptMaker words({.bytes_per_token = 4.5});
  Prompt prompt;
  words.Append(100, Random(1, Use::kText), "user", &prompt);
  ASSERT_EQ(prompt.messages.size(), 1);
  EXPECT_EQ(prompt.messages[0].text.size(), 450);
}

TEST(PromptMaker, CutsACorpusBetweenCharacters) {
  const PromptMaker maker({.bytes_per_token = 1, .corpus = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"});
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Prompt prompt;
    maker.Append(1 + static_cast<int64_t>(seed % 30), Random(seed, Use::kText), "user", &prompt);
    const std::string& text = prompt.messages[0].text;
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i]);
      const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
      ASSERT_NE(lead & 0xC0, 0x80) << seed;
      ASSERT_LE(i + length, text.size()) << seed;
      i += length;
    }
  }
}

TEST(LengthRange, ReadsOneLengthOrTwo) {
  EXPECT_EQ(ParseLengthRange("--x", "7")->high, 7);
  EXPECT_EQ(ParseLengthRange("--x", "7:9")->high, 9);
  for (const char* wrong : {"", "0", "-1", "9:7", "a", "1:2:3", "1:", ":2", "999999999"}) {
    EXPECT_FALSE(ParseLengthRange("--x", wrong).ok()) << wrong;
  }
}

TEST(ChaosMix, DrawsTheSharesItIsGiven) {
  const auto mix = ChaosMix::Parse("cancel=0.2,flood=0.05");
  ASSERT_TRUE(mix.ok());
  std::map<Mischief, int> counts;
  for (uint64_t i = 0; i < 100'000; ++i) ++counts[mix->Draw(1, i)];
  EXPECT_NEAR(counts[Mischief::kCancel], 20'000, 500);
  EXPECT_NEAR(counts[Mischief::kFlood], 5'000, 300);
  EXPECT_EQ(counts.size(), 3);
  EXPECT_EQ(mix->Draw(1, 17), mix->Draw(1, 17));
  EXPECT_FALSE(ChaosMix::Parse("")->Any());
  for (const char* wrong : {"cancel", "cancel=2", "cancel=-1", "none=1", "x=0.1", "cancel=0.6,slow=0.6"}) {
    EXPECT_FALSE(ChaosMix::Parse(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace batucada::loadtest
