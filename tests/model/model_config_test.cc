#include "engine/model/model_config.h"

#include <functional>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "engine/model/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/test_files.h"

namespace batucada {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr MixerKind kM = MixerKind::kMamba;
constexpr MixerKind kA = MixerKind::kAttention;

std::vector<MixerKind> Mixers(const ModelConfig& config) {
  std::vector<MixerKind> kinds;
  for (const LayerSpec& layer : config.layers) kinds.push_back(layer.kind());
  return kinds;
}
MambaSpec MambaOf(const ModelConfig& config) { return *config.FirstMamba(); }
AttentionSpec AttentionOf(const ModelConfig& config) { return *config.FirstAttention(); }

// kTinyConfig with one member replaced, or removed if `json` is empty. `path` is "key" or "attn.key".
std::string With(const std::string& path, const std::string& json) {
  boost::json::value root = boost::json::parse(boost::json::string_view(kTinyConfig.data(), kTinyConfig.size()));
  const bool nested = path.starts_with("attn.");
  boost::json::object& object = nested ? root.as_object()["attn"].as_object() : root.as_object();
  const std::string key = nested ? path.substr(5) : path;
  if (json.empty()) {
    object.erase(key);
  } else {
    object[key] = boost::json::parse(json);
  }
  return boost::json::serialize(root);
}

ModelConfig Parsed(const std::string& json) {
  auto config = ParseModelConfig(json);
  EXPECT_TRUE(config.ok()) << config.status() << "\n" << json;
  return config.ok() ? *config : ModelConfig{};
}

std::string ErrorOf(const std::string& json) {
  const auto config = ParseModelConfig(json);
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(ModelConfigTest, ReadsTheEmbeddedModel) {
  const auto config = LoadModelConfig(BATUCADA_SOURCE_DIR "/models/samba-classics-18m");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab_size, 8192);
  EXPECT_EQ(config->d_model, 384);
  EXPECT_THAT(Mixers(*config), ElementsAre(kM, kA, kM, kA, kM, kA, kM, kA));
  for (size_t i = 0; i < 8; ++i) {
    const LayerSpec& layer = config->layers[i];
    EXPECT_EQ(layer.mlp, (MlpSpec{MlpKind::kSwiGlu, 1024}));  // hidden_ratio 4: int(384·4·2/3) = 1024
    EXPECT_EQ(layer.norm, (NormSpec{NormKind::kRms, 1e-5F}));
    EXPECT_EQ(layer.cache, static_cast<int32_t>(i));
    const CacheSpec& cache = config->caches[i];
    if (i % 2 == 0) {
      EXPECT_EQ(*layer.mamba(), (MambaSpec{.d_inner = 768, .d_state = 16, .conv_width = 4, .dt_rank = 24}));
      EXPECT_EQ(cache, (CacheSpec{.kind = CacheKind::kRecurrent, .d_inner = 768, .d_state = 16, .conv_width = 4}));
    } else {
      EXPECT_EQ(*layer.attention(),
                (AttentionSpec{.heads = 6, .kv_heads = 2, .head_dim = 64, .window = 512, .rope = {.theta = 10000}}));
      EXPECT_EQ(cache, (CacheSpec{.kind = CacheKind::kKv, .kv_heads = 2, .head_dim = 64, .window = 512}));
    }
  }
  EXPECT_EQ(config->Window(), 512);
  EXPECT_EQ(config->final_norm, (NormSpec{NormKind::kRms, 1e-5F}));
  EXPECT_TRUE(config->tie_embeddings);
  EXPECT_EQ(config->bos_token_id, 0);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(0));
  EXPECT_EQ(config->max_position_embeddings, 2048);
}

TEST(ModelConfigTest, MlpWidthFollowsHiddenRatioUnlessGiven) {
  EXPECT_EQ(Parsed(With("mlp_width", "")).FirstMlp()->width, 256);  // int(64·4·2/3) = 170, rounded up
  EXPECT_EQ(Parsed(With("mlp_width", "8196")).FirstMlp()->width, 8196);
}

TEST(ModelConfigTest, IntermediateSizeIsTheMambaWidth) {
  EXPECT_EQ(MambaOf(Parsed(With("intermediate_size", "96"))).d_inner, 96);
  EXPECT_EQ(MambaOf(Parsed(With("expand", "3"))).d_inner, 192);
  EXPECT_EQ(Parsed(With("expand", "3")).FirstMlp()->width, 40);
}

TEST(ModelConfigTest, TimeStepRankIsANumberOrAuto) {
  EXPECT_EQ(MambaOf(Parsed(With("time_step_rank", "\"auto\""))).dt_rank, 4);
  EXPECT_EQ(MambaOf(Parsed(With("time_step_rank", "7"))).dt_rank, 7);
  const ModelConfig odd =
      Parsed(R"({"model_type": "mamba", "vocab_size": 9, "hidden_size": 72, "num_hidden_layers": 1})");
  EXPECT_EQ(MambaOf(odd).dt_rank, 5) << "72 / 16 rounded up";
}

TEST(ModelConfigTest, WindowAndRotationMayBeAbsent) {
  EXPECT_EQ(AttentionOf(Parsed(With("attn.window_size", "null"))).window, kNoWindow);
  EXPECT_EQ(AttentionOf(Parsed(With("attn.window_size", ""))).window, kNoWindow);
  EXPECT_EQ(Parsed(With("attn.window_size", "")).Window(), std::nullopt);
  EXPECT_EQ(AttentionOf(Parsed(With("attn.rope_theta", "null"))).rope.theta, 0);
  EXPECT_EQ(AttentionOf(Parsed(With("attn.rope_theta", "0"))).rope.theta, 0);
  EXPECT_THAT(ErrorOf(With("attn.rope_theta", "")), HasSubstr("config.json: attn.rope_theta is missing"));
}

TEST(ModelConfigTest, LayersMayFollowAnyPattern) {
  EXPECT_THAT(Mixers(Parsed(With("attn.layers", "[0]"))), ElementsAre(kA, kM));
  const ModelConfig transformer = Parsed(With("attn.layers", "[1, 0]"));
  EXPECT_THAT(Mixers(transformer), ElementsAre(kA, kA));
  EXPECT_EQ(transformer.FirstMamba(), nullptr);
  const ModelConfig mamba = Parsed(With("attn", R"({"layers": []})"));
  EXPECT_THAT(Mixers(mamba), ElementsAre(kM, kM));
  EXPECT_EQ(mamba.FirstAttention(), nullptr);
  EXPECT_TRUE(mamba.layers[0].has_mlp());
}

// As flash-linear-attention 0.6.0 writes it.
TEST(ModelConfigTest, AttentionMayBeAListOfSpecifications) {
  const char* spec = R"("num_heads": 1, "num_kv_heads": 1, "qkv_bias": false, "window_size": 8, "rope_theta": 100.0})";
  const auto list = [&](const std::string& more) {
    return With("attn", std::string(R"([{"layers": [1], )") + spec + more + "]");
  };
  const ModelConfig one = Parsed(list(""));
  EXPECT_THAT(Mixers(one), ElementsAre(kM, kA));
  EXPECT_EQ(AttentionOf(one).window, 8);
  EXPECT_EQ(AttentionOf(one).rope.theta, 100);
  const ModelConfig two = Parsed(list(std::string(R"(, {"layers": [0], )") + spec));
  EXPECT_THAT(Mixers(two), ElementsAre(kA, kA));
  const ModelConfig empty = Parsed(list(R"(, {"layers": [], "num_heads": 4})"));
  EXPECT_THAT(Mixers(empty), ElementsAre(kM, kA));
  EXPECT_THAT(Mixers(Parsed(With("attn", "[]"))), ElementsAre(kM, kM));
  EXPECT_THAT(Mixers(Parsed(With("attn", "null"))), ElementsAre(kM, kM));
  EXPECT_EQ(AttentionOf(Parsed(With("attn", R"([{"layers": [1], "num_heads": 1}])"))).rope.theta, 10000);
  EXPECT_THAT(ErrorOf(list(std::string(R"(, {"layers": [1], )") + spec)), HasSubstr("attn[1].layers names layer 1"));
  const ModelConfig mixed = Parsed(list(R"(, {"layers": [0], "num_heads": 1, "window_size": null, "rope_theta": 0})"));
  EXPECT_EQ(*mixed.layers[0].attention(), (AttentionSpec{.heads = 1, .kv_heads = 1, .head_dim = 64}));
  EXPECT_EQ(mixed.layers[1].attention()->window, 8);
  EXPECT_EQ(mixed.caches[0].window, kNoWindow);
  EXPECT_EQ(mixed.caches[1].window, 8);
}

TEST(ModelConfigTest, AttentionMayBeOfFourKindsAndNoMore) {
  const auto windows = [](int count) {
    std::string specs;
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&specs, i == 0 ? "" : ", ", R"({"num_heads": 1, "layers": [)", i, R"(], "window_size": )", 8 + i,
                      "}");
    }
    return absl::StrCat(
        R"({"model_type": "samba", "vocab_size": 32, "hidden_size": 64, "num_hidden_layers": 6, "attn": [)", specs,
        "]}");
  };
  EXPECT_EQ(Parsed(windows(4)).caches.size(), 6u);
  EXPECT_THAT(ErrorOf(windows(5)), HasSubstr("attention layers differ in 5 ways"));
}

TEST(ModelConfigTest, ReadsTheMambaLayout) {
  const ModelConfig config = Parsed(R"({"model_type": "mamba", "vocab_size": 100, "hidden_size": 64,
      "num_hidden_layers": 3, "layer_norm_epsilon": 1e-6, "hidden_act": "silu", "eos_token_id": 0})");
  EXPECT_THAT(Mixers(config), ElementsAre(kM, kM, kM));
  EXPECT_EQ(config.FirstMlp(), nullptr);
  EXPECT_TRUE(config.tie_embeddings);
  EXPECT_EQ(config.final_norm.eps, 1e-6F);
  EXPECT_EQ(config.bos_token_id, std::nullopt);
}

struct BadValue {
  const char* path;
  const char* json;
  const char* expected;  // in the message, beside the path
};

class BadValueTest : public testing::TestWithParam<BadValue> {};

TEST_P(BadValueTest, IsNamedWithItsPath) {
  const auto& [path, json, expected] = GetParam();
  EXPECT_THAT(ErrorOf(With(path, json)), AllOf(HasSubstr(absl::StrCat("config.json: ", path)), HasSubstr(expected)));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadValueTest,
    testing::Values(
        BadValue{"model_type", "\"bert\"", "is \"bert\", supported are \"samba\""},
        BadValue{"model_type", "", "is missing"},  //
        BadValue{"vocab_size", "", "is missing, expected an integer from 1 to 16777216"},
        BadValue{"vocab_size", "0", "is 0, expected an integer from 1"},
        BadValue{"vocab_size", "16777217", "is 16777217, expected"},
        BadValue{"vocab_size", "18446744073709551615", "is 18446744073709551615, expected"},
        BadValue{"vocab_size", "1e3", "is 1E3, expected an integer"},
        BadValue{"vocab_size", "\"32\"", "is the string \"32\", expected an integer"},
        BadValue{"vocab_size", "[32]", "is a list of 1, expected an integer"},
        BadValue{"hidden_size", "-64", "is -64, expected an integer from 8 to 65536"},
        BadValue{"hidden_size", "65544", "is 65544"},  //
        BadValue{"hidden_size", "68", "is 68, expected a multiple of 8"},
        BadValue{"num_hidden_layers", "1025", "is 1025, expected an integer from 1 to 1024"},
        BadValue{"num_hidden_layers", "{}", "is an object"},  //
        BadValue{"mlp_width", "0", "is 0, expected an integer from 1"},
        BadValue{"hidden_ratio", "\"4\"", "is the string \"4\", expected a number"},
        BadValue{"hidden_ratio", "1e308", "expected a number from 0.01 to 16"},
        BadValue{"intermediate_size", "1000000", "is 1000000"},
        BadValue{"intermediate_size", "100", "comes to 100, expected a multiple of 8"},
        BadValue{"expand", "17", "is 17, expected an integer from 1 to 16"},
        BadValue{"state_size", "128", "is 128, only 16 is supported"},
        BadValue{"conv_kernel", "3", "is 3, only 4 is supported"},
        BadValue{"time_step_rank", "\"big\"", "is the string \"big\", expected an integer"},
        BadValue{"time_step_rank", "0", "is 0"},  //
        BadValue{"use_bias", "true", "not supported"}, BadValue{"use_bias", "1", "is 1, expected true or false"},
        BadValue{"use_conv_bias", "false", "must have its bias"},
        BadValue{"hidden_act", "\"gelu\"", "is \"gelu\", expected \"swish\" or \"silu\""},
        BadValue{"quantization_config", "{}", "not supported"},  //
        BadValue{"rope_scaling", "{\"type\":\"yarn\"}", "not supported"},
        BadValue{"norm_eps", "0", "is 0, expected a number"}, BadValue{"norm_eps", "-1", "is -1, expected a number"},
        BadValue{"tie_word_embeddings", "\"yes\"", "is the string \"yes\", expected true or false"},
        BadValue{"bos_token_id", "32", "is 32, expected an integer from 0 to 31"},
        BadValue{"eos_token_id", "[0, 99]", "[1] is 99, expected an integer from 0 to 31"},
        BadValue{"eos_token_id", "\"</s>\"", "expected an integer or a list of integers"},
        BadValue{"max_position_embeddings", "0", "is 0"},  //
        BadValue{"attn", "", "is missing"}, BadValue{"attn", "[1]", "is a list of 1, expected an object"},
        BadValue{"attn.layers", "", "is missing"}, BadValue{"attn.layers", "1", "is 1, expected a list of integers"},
        BadValue{"attn.layers", "[2]", "[0] is 2, expected an integer from 0 to 1"},
        BadValue{"attn.layers", "[1, 1]", "names layer 1 twice"},
        BadValue{"attn.layers", "[true]", "[0] is true, expected an integer"},
        BadValue{"attn.num_heads", "", "is missing"},  //
        BadValue{"attn.num_heads", "3", "does not divide hidden_size 64; set head_dim"},
        BadValue{"attn.num_kv_heads", "2", "is 2, which does not divide num_heads 1"},
        BadValue{"attn.num_kv_heads", "0", "is 0"},
        BadValue{"attn.head_dim", "80", "comes to 80, supported are 64, 128 and 256"},
        BadValue{"attn.head_dim", "96", "comes to 96, supported are 64, 128 and 256"},
        BadValue{"attn.window_size", "0", "is 0, expected an integer from 1"},
        BadValue{"attn.window_size", "-1", "is -1, expected an integer from 1"},
        BadValue{"attn.rope_theta", "-5", "is -5, expected a number"}, BadValue{"attn.rope_theta", "0.5", "below 1"},
        BadValue{"attn.qkv_bias", "true", "not supported"}, BadValue{"attn.qk_norm", "true", "not supported"}),
    [](const auto& test) { return absl::StrCat("Case", test.index); });

TEST(ModelConfigTest, RefusesWhatIsNotJson) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("config.json is empty: it must be JSON"));
  EXPECT_THAT(ErrorOf("{\"model_type\": samba}"), HasSubstr("at byte 15"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("expected an object, found a list of 1"));
  EXPECT_THAT(ErrorOf("{\"a\": 1, \"a\": 2}"), HasSubstr("the key \"a\" twice"));
  EXPECT_THAT(ErrorOf("{} {}"), HasSubstr("text after its JSON document, at byte 3"));
  EXPECT_THAT(ErrorOf(std::string(kTinyConfig).substr(0, 200)), HasSubstr("not valid JSON"));
}

TEST(ModelConfigTest, EqualKeysInDifferentObjectsAreFine) {
  EXPECT_TRUE(ParseJson(R"({"a": {"x": 1}, "b": [{"x": 1}, {"x": 2}], "x": 3})", "t").ok());
  EXPECT_FALSE(ParseJson(R"({"b": [{"x": 1, "y": {}, "x": 2}]})", "t").ok());
}

TEST(ModelConfigTest, NoTruncationOrByteCanCrashIt) {
  const std::string good(kTinyConfig);
  for (size_t at = 0; at < good.size(); ++at) {
    EXPECT_FALSE(ParseModelConfig(good.substr(0, at)).ok()) << at;
    for (const char c : {'\0', '\xff', '"', '{', '9', '-', ','}) {
      std::string mutated = good;
      mutated[at] = c;
      (void)ParseModelConfig(mutated);
    }
  }
}

TEST(ModelConfigTest, AMissingFileIsNotFound) {
  const TempDir dir;
  const auto config = LoadModelConfig(dir.path());
  EXPECT_TRUE(absl::IsNotFound(config.status()));
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("config.json does not exist"));
}

TEST(ModelConfigTest, TheLargestConfigOverflowsNothing) {
  const ModelConfig config = Parsed(R"({"model_type": "samba", "vocab_size": 16777216, "hidden_size": 65536,
      "num_hidden_layers": 1024, "mlp_width": 1048576, "intermediate_size": 262144, "attn": {"layers": []}})");
  EXPECT_GT(ParameterCount(config), int64_t{1} << 46);
  EXPECT_GT(WeightBytes(config, DType::kF32), ParameterCount(config));
}

}  // namespace
}  // namespace batucada
