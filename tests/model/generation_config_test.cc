// What generation_config.json says is applied, or refused by name.
#include "engine/model/generation_config.h"

#include <fstream>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(const std::string& json) {
  const auto config = ParseGenerationConfig(json, 10);
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(GenerationConfigTest, ReadsWhatIsThereAndToleratesAbsence) {
  const TempDir dir;
  auto absent = LoadGenerationConfig(dir.path(), 10);
  ASSERT_TRUE(absent.ok()) << absent.status();
  EXPECT_EQ(absent->sampling.temperature, std::nullopt);
  EXPECT_TRUE(absent->eos_token_ids.empty());
  const auto config = ParseGenerationConfig(
      R"({"eos_token_id": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "transformers_version": ""})",
      10);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->eos_token_ids, ElementsAre(3));
  EXPECT_EQ(config->sampling.temperature, 0.5);
  EXPECT_EQ(config->sampling.top_p, 0.9);
  EXPECT_EQ(config->sampling.top_k, 40);
  EXPECT_EQ(config->sampling.min_p, 0.05);
  EXPECT_EQ(ParseGenerationConfig(R"({"do_sample": false, "temperature": 0.7})", 10)->sampling.temperature, 0);
}

TEST(GenerationConfigTest, NamesBadValues) {
  const auto error = [](const char* json) { return std::string(ParseGenerationConfig(json, 10).status().message()); };
  EXPECT_THAT(error(R"({"eos_token_id": [1, 10]})"), HasSubstr("generation_config.json: eos_token_id[1] is 10"));
  EXPECT_THAT(error(R"({"temperature": "hot"})"), HasSubstr("temperature is the string \"hot\", expected a number"));
  EXPECT_THAT(error(R"({"top_p": -1})"), HasSubstr("top_p is -1, expected a number"));
  EXPECT_THAT(error(R"({"top_k": 1.5})"), HasSubstr("top_k is 1.5E0, expected an integer"));
  EXPECT_THAT(error("{"), HasSubstr("generation_config.json is not valid JSON"));
}

TEST(GenerationConfigTest, ReadsLengthsAndBans) {
  const auto config = ParseGenerationConfig(
      R"({"repetition_penalty": 1.3, "max_new_tokens": 7, "min_new_tokens": 2, "max_length": 50, "min_length": 20,
          "suppress_tokens": [1, 2], "bad_words_ids": [[3], [4, 5], [6]], "eos_token_id": 6, "top_k": -1,
          "stop_strings": ["END"]})",
      10);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sampling.repetition_penalty, 1.3);
  EXPECT_EQ(config->sampling.top_k, 0);
  EXPECT_THAT(config->suppress_tokens, ElementsAre(1, 2, 3)) << "an end token is no bad word, as in transformers";
  EXPECT_THAT(config->bad_words_ids, ElementsAre(ElementsAre(4, 5)));
  EXPECT_THAT(config->stop_strings, ElementsAre("END"));
  EXPECT_EQ(config->MostTokens(30), 7) << "max_new_tokens goes before max_length";
  EXPECT_EQ(config->LeastTokens(5), 2);
  EXPECT_EQ(config->Describe(),
            "top_k 0, repetition_penalty 1.3, max_new_tokens 7, max_length 50, min_new_tokens 2, min_length 20, "
            "suppress_tokens (3), bad_words_ids (1), stop_strings (1)");
}

TEST(GenerationConfigTest, LengthsCountThePrompt) {
  const auto config = ParseGenerationConfig(R"({"max_length": 50, "min_length": 20})", 10);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->MostTokens(30), 20);
  EXPECT_EQ(config->MostTokens(60), 1);
  EXPECT_EQ(config->LeastTokens(5), 15);
  EXPECT_EQ(config->LeastTokens(25), 0);
  EXPECT_EQ(ParseGenerationConfig("{}", 10)->MostTokens(5), std::nullopt);
  EXPECT_EQ(ParseGenerationConfig("{}", 10)->LeastTokens(5), 0);
}

// What transformers 4.57 writes for a model that was saved with every default spelled out.
TEST(GenerationConfigTest, NeutralValuesAreAccepted) {
  EXPECT_EQ(ErrorOf(R"({"num_beams": 1, "num_beam_groups": 1, "penalty_alpha": null, "no_repeat_ngram_size": 0,
      "encoder_no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1.0, "begin_suppress_tokens": null,
      "forced_bos_token_id": null, "forced_eos_token_id": null, "forced_decoder_ids": null, "force_words_ids": null,
      "constraints": null, "sequence_bias": null, "exponential_decay_length_penalty": null, "guidance_scale": null,
      "watermarking_config": null, "dola_layers": null, "max_time": null, "token_healing": false, "typical_p": 1.0,
      "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "num_return_sequences": 1, "length_penalty": 2.0,
      "early_stopping": true, "diversity_penalty": 0.0, "use_cache": true, "output_scores": false, "bos_token_id": 1,
      "pad_token_id": 99, "renormalize_logits": true, "transformers_version": "4.57.1", "suppress_tokens": null,
      "bad_words_ids": null, "max_length": 20, "something_new": {"a": [1]}})"),
            "no error");
}

TEST(GenerationConfigTest, WhatIsNotServedIsRefusedByName) {
  for (const char* member :
       {R"("num_beams": 4)", R"("num_beam_groups": 2)", R"("no_repeat_ngram_size": 3)", R"("penalty_alpha": 0.6)",
        R"("begin_suppress_tokens": [1])", R"("forced_bos_token_id": 1)", R"("forced_eos_token_id": 1)",
        R"("typical_p": 0.9)", R"("epsilon_cutoff": 0.1)", R"("eta_cutoff": 0.1)", R"("guidance_scale": 1.5)",
        R"("sequence_bias": [[[1], -2.0]])", R"("encoder_repetition_penalty": 1.2)", R"("max_time": 3.0)",
        R"("exponential_decay_length_penalty": [5, 1.1])", R"("num_return_sequences": 2)",
        R"("token_healing": true)"}) {
    const std::string name(member, 1, std::string(member).find('"', 1) - 1);
    const std::string error = ErrorOf(std::string("{") + member + "}");
    EXPECT_THAT(error, HasSubstr("generation_config.json: " + name + " is "));
    EXPECT_THAT(error, HasSubstr("not served"));
    EXPECT_THAT(error, HasSubstr("--generation-config none"));
  }
  // Without sampling, filters of the distribution change nothing.
  EXPECT_EQ(ErrorOf(R"({"do_sample": false, "typical_p": 0.9, "epsilon_cutoff": 0.1})"), "no error");
}

TEST(GenerationConfigTest, NamesBadLists) {
  EXPECT_THAT(ErrorOf(R"({"suppress_tokens": [10]})"), HasSubstr("suppress_tokens[0] is 10"));
  EXPECT_THAT(ErrorOf(R"({"bad_words_ids": [[1, 10]]})"), HasSubstr("bad_words_ids holds 10"));
  EXPECT_THAT(ErrorOf(R"({"bad_words_ids": [[]]})"), HasSubstr("an entry of 0 token ids"));
  EXPECT_THAT(ErrorOf(R"({"bad_words_ids": [[1,1,1,1,1,1,1,1,1]]})"), HasSubstr("an entry of 9 token ids"));
  EXPECT_THAT(ErrorOf(R"({"bad_words_ids": 3})"), HasSubstr("bad_words_ids is no list"));
  EXPECT_THAT(ErrorOf(R"({"stop_strings": [""]})"), HasSubstr("stop_strings holds"));
  EXPECT_THAT(ErrorOf(R"({"max_new_tokens": 0})"), HasSubstr("max_new_tokens is 0"));
  EXPECT_THAT(ErrorOf(R"({"repetition_penalty": 0})"), HasSubstr("repetition_penalty is 0"));
}

TEST(GenerationConfigTest, TurnedOffOnlyEndTokensCount) {
  const TempDir dir;
  dir.Write("generation_config.json", R"({"eos_token_id": [3, 4], "temperature": 0.1, "num_beams": 9})");
  const auto config = LoadGenerationConfig(dir.path(), 10, GenerationConfigUse::kEndTokens);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->eos_token_ids, ElementsAre(3, 4));
  EXPECT_EQ(config->sampling.temperature, std::nullopt);
  EXPECT_FALSE(LoadGenerationConfig(dir.path(), 10).ok());
}

}  // namespace
}  // namespace batucada
