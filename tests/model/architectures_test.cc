// How each model_type's config.json is read, and that its tensors are called what the reference calls them.
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "engine/model/architecture.h"
#include "engine/model/model_config.h"
#include "engine/model/tensor_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace batucada {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const fs::path kModels = fs::path(BATUCADA_SOURCE_DIR) / "tests" / "golden" / "models";

bj::value ReadJson(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return bj::parse(text.str());
}

// The config of a model in tests/golden/models, with members replaced; null takes one out.
std::string With(const std::string& model, const std::map<std::string, std::string>& members) {
  bj::object config = ReadJson(kModels / model / "config.json").as_object();
  for (const auto& [key, json] : members) {
    if (json.empty()) {
      config.erase(key);
    } else {
      config[key] = bj::parse(json);
    }
  }
  return bj::serialize(config);
}

ModelConfig Parsed(const std::string& model, const std::map<std::string, std::string>& members = {}) {
  auto config = ParseModelConfig(With(model, members));
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ModelConfig{};
}

std::string ErrorOf(const std::string& model, const std::map<std::string, std::string>& members) {
  const auto config = ParseModelConfig(With(model, members));
  return config.ok() ? "no error" : std::string(config.status().message());
}

// Names and shapes as the reference saves them are exactly the table's.
TEST(ArchitecturesTest, TensorsAreCalledWhatTheReferenceCallsThem) {
  int models = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kModels)) {
    SCOPED_TRACE(entry.path());
    const ModelConfig config = Parsed(entry.path().filename().string());
    ASSERT_NE(config.architecture, nullptr);
    std::map<std::string, std::vector<int64_t>> expected, saved;
    const auto without_ones = [](std::vector<int64_t> shape) {
      std::erase(shape, 1);
      return shape;
    };
    for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
      expected[tensor.name] = without_ones({tensor.rows, tensor.cols});
    }
    const bj::value golden = ReadJson(entry.path() / "golden.json");
    for (const bj::value& tensor : golden.at("tensors").as_array()) {
      const std::string name(tensor.as_array()[0].as_string());
      saved[config.architecture->CanonicalName(name)] =
          without_ones(bj::value_to<std::vector<int64_t>>(tensor.as_array()[1]));
    }
    EXPECT_EQ(expected, saved);
    ++models;
  }
  EXPECT_GE(models, 10);
}

TEST(ArchitecturesTest, MambaOriginalsNameNoType) {
  const auto config = ParseModelConfig(R"({"d_model": 64, "n_layer": 2, "vocab_size": 50277, "ssm_cfg": {"d_state": 16},
      "rms_norm": true, "residual_in_fp32": true, "fused_add_norm": true, "pad_vocab_size_multiple": 8})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model_type, "mamba");
  EXPECT_EQ(config->vocab_size, 50280);
  EXPECT_EQ(*config->FirstMamba(), (MambaSpec{.d_inner = 128, .d_state = 16, .conv_width = 4, .dt_rank = 4}));
  EXPECT_TRUE(config->tie_embeddings);
  EXPECT_EQ(config->architecture->CanonicalName("backbone.embedding.weight"), "backbone.embeddings.weight");
  EXPECT_EQ(config->architecture->CanonicalName("backbone.layers.0.norm.weight"),
            "backbone.layers.0.mixer_norm.weight");
  const auto error =
      ParseModelConfig(R"({"d_model": 64, "n_layer": 2, "vocab_size": 9, "ssm_cfg": {"layer": "Mamba2"}})");
  EXPECT_THAT(std::string(error.status().message()), HasSubstr("ssm_cfg.layer is \"Mamba2\""));
}

TEST(ArchitecturesTest, UnknownTypesAreToldWhatThereIs) {
  EXPECT_THAT(ErrorOf("mamba", {{"model_type", "\"gpt2\""}}),
              AllOf(HasSubstr("is \"gpt2\", supported are \"samba\""), HasSubstr(" and ")));
  EXPECT_THAT(ErrorOf("mamba", {{"model_type", "\"gpt2\""}, {"d_model", "64"}, {"n_layer", "2"}}),
              HasSubstr("is \"gpt2\""))
      << "whatever else the file says";
}

TEST(ArchitecturesTest, FalconMambaNormsWithoutWeights) {
  const ModelConfig config = Parsed("falcon_mamba");
  EXPECT_EQ(*config.layers[2].mamba(), (MambaSpec{.d_inner = 128,  // not expand · hidden_size
                                                  .d_state = 16,
                                                  .conv_width = 4,
                                                  .dt_rank = 12,
                                                  .inner_norms = InnerNorms::kPlain,
                                                  .inner_eps = 1e-6F}));
  EXPECT_FALSE(config.tie_embeddings);
  EXPECT_EQ(Parsed("falcon_mamba", {{"mixer_rms_eps", ""}}).FirstMamba()->inner_eps, 1e-6F);
  EXPECT_EQ(Parsed("falcon_mamba", {{"mixer_rms_eps", "1e-5"}}).FirstMamba()->inner_eps, 1e-5F);
  EXPECT_EQ(Parsed("falcon_mamba", {{"tie_word_embeddings", ""}}).tie_embeddings, true);
  EXPECT_EQ(Parsed("mamba").FirstMamba()->inner_norms, InnerNorms::kNone);
}

TEST(ArchitecturesTest, JambaIsDenseAndUnrotated) {
  const ModelConfig config = Parsed("jamba");
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerSpec& layer = config.layers[i];
    EXPECT_EQ(layer.attention() != nullptr, i == 2) << i;
    EXPECT_EQ(layer.mlp, (MlpSpec{MlpKind::kSwiGlu, 192}));
    EXPECT_EQ(layer.norm.eps, 1e-6F);
  }
  EXPECT_EQ(*config.FirstAttention(), (AttentionSpec{.heads = 2, .kv_heads = 1, .head_dim = 64}));
  EXPECT_EQ(config.FirstMamba()->inner_norms, InnerNorms::kWeighted);
  EXPECT_EQ(config.FirstMamba()->d_inner, 256);
  EXPECT_EQ(config.caches.size(), 4u);
  EXPECT_EQ(config.Window(), std::nullopt);
  EXPECT_THAT(ErrorOf("jamba", {{"num_experts", "16"}}),
              HasSubstr("config.json: num_experts is 16: mixtures of experts are not supported"));
  EXPECT_THAT(ErrorOf("jamba", {{"num_experts", ""}}), HasSubstr("num_experts is 16"));
  EXPECT_THAT(ErrorOf("jamba", {{"mamba_proj_bias", "true"}}), HasSubstr("mamba_proj_bias is true"));
  EXPECT_THAT(ErrorOf("jamba", {{"attn_layer_offset", "4"}}), HasSubstr("attn_layer_offset is 4, expected less"));
  EXPECT_EQ(Parsed("jamba", {{"mamba_dt_rank", "\"auto\""}}).FirstMamba()->dt_rank, 8);
  EXPECT_FALSE(Parsed("jamba", {{"tie_word_embeddings", ""}}).tie_embeddings) << "as transformers has it";
}

TEST(ArchitecturesTest, LlamaRotatesAsItsFileSays) {
  const auto rope = [](const std::map<std::string, std::string>& members) {
    return Parsed("llama", members).FirstAttention()->rope;
  };
  EXPECT_EQ(rope({}), (RopeSpec{.theta = 500000}));
  EXPECT_EQ(rope({{"rope_parameters", ""}}), (RopeSpec{.theta = 10000}));
  EXPECT_EQ(rope({{"rope_parameters", ""}, {"rope_theta", "250000.0"}}), (RopeSpec{.theta = 250000}));
  const RopeSpec llama3{.theta = 10000,
                        .scaling = {.kind = RopeScaling::Kind::kLlama3,
                                    .factor = 8,
                                    .low_freq_factor = 1,
                                    .high_freq_factor = 4,
                                    .original_context = 64}};
  EXPECT_EQ(Parsed("llama3_scaled").FirstAttention()->rope, llama3);
  const std::string scaling = R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
      "high_freq_factor": 4.0, "original_max_position_embeddings": 64})";
  EXPECT_EQ(rope({{"rope_parameters", ""}, {"rope_scaling", scaling}}), llama3);
  EXPECT_EQ(rope({{"rope_parameters", ""}, {"rope_scaling", R"({"type": "linear", "factor": 2.0})"}}).scaling,
            (RopeScaling{.kind = RopeScaling::Kind::kLinear, .factor = 2}));
  for (const char* type : {"yarn", "dynamic", "longrope"}) {
    EXPECT_THAT(ErrorOf("llama", {{"rope_scaling", std::string(R"({"type": ")") + type + "\"}"}}),
                AllOf(HasSubstr("rope_scaling.type is \""), HasSubstr("expected \"default\"")));
  }
  EXPECT_THAT(ErrorOf("llama3_scaled", {{"rope_parameters", R"({"rope_type": "llama3", "factor": 8.0})"}}),
              HasSubstr("is missing"));
  EXPECT_THAT(ErrorOf("llama", {{"rope_scaling", R"({"type": "linear"})"}}),
              HasSubstr("rope_scaling.factor is missing"));
}

// What transformers 5.24 makes of these: LlamaConfig(**members).rope_parameters.
TEST(ArchitecturesTest, EitherNameOfLlamasRotationMaySayAllOfIt) {
  const auto rope = [](const std::string& parameters, const std::string& scaling, const std::string& theta = "") {
    return Parsed("llama", {{"rope_parameters", parameters}, {"rope_scaling", scaling}, {"rope_theta", theta}})
        .FirstAttention()
        ->rope;
  };
  const auto linear = [](float theta) {
    return RopeSpec{.theta = theta, .scaling = {.kind = RopeScaling::Kind::kLinear, .factor = 2}};
  };
  const std::string all = R"({"type": "linear", "factor": 2.0, "rope_theta": 5.0})";
  const std::string plain = R"({"rope_type": "default", "rope_theta": 9.0})";
  EXPECT_EQ(rope(all, ""), linear(5));
  EXPECT_EQ(rope("", all, "7.0"), linear(5));
  EXPECT_EQ(rope("", R"({"type": "linear", "factor": 2.0})", "7.0"), linear(7));
  EXPECT_EQ(rope(plain, all), linear(5));
  EXPECT_EQ(rope(plain, R"({"type": "linear", "factor": 2.0})"), linear(10000));
  EXPECT_EQ(rope(all, plain), (RopeSpec{.theta = 9}));
  EXPECT_EQ(rope(all, "{}"), linear(5));
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    EXPECT_THAT(ErrorOf("llama", {{name, R"({"rope_type": "default", "partial_rotary_factor": 0.5})"}}),
                HasSubstr(std::string(name) + ".partial_rotary_factor is not 1"));
  }
}

TEST(ArchitecturesTest, LlamaRefusesWhatItDoesNotCompute) {
  EXPECT_THAT(ErrorOf("mistral", {{"attention_bias", "true"}}), HasSubstr("attention_bias is true"));
  EXPECT_THAT(ErrorOf("llama", {{"mlp_bias", "true"}}), HasSubstr("mlp_bias is true"));
  EXPECT_THAT(ErrorOf("llama", {{"num_attention_heads", "4"}, {"num_key_value_heads", "3"}}),
              HasSubstr("num_key_value_heads is 3, which does not divide num_attention_heads 4"));
  EXPECT_THAT(ErrorOf("llama", {{"hidden_act", "\"gelu\""}}), HasSubstr("hidden_act is \"gelu\""));
  EXPECT_THAT(ErrorOf("llama", {{"sliding_window", "4096"}}), HasSubstr("sliding_window is set"));
  EXPECT_THAT(ErrorOf("llama", {{"head_dim", "80"}}), HasSubstr("head_dim comes to 80"));
  EXPECT_THAT(ErrorOf("llama", {{"quantization_config", R"({"quant_method": "fp8"})"}}),
              HasSubstr("quantization_config is set"));
}

TEST(ArchitecturesTest, MistralsWindowIsANumberNullOrAbsent) {
  EXPECT_EQ(Parsed("mistral").Window(), 8);
  EXPECT_EQ(Parsed("mistral", {{"sliding_window", "null"}}).Window(), std::nullopt);
  EXPECT_EQ(Parsed("mistral", {{"sliding_window", ""}}).Window(), 4096);
  EXPECT_THAT(ErrorOf("mistral", {{"sliding_window", "0"}}), HasSubstr("sliding_window is 0"));
}

TEST(ArchitecturesTest, Phi4FlashIsTwoDecodersInOne) {
  const ModelConfig config = Parsed("phi4flash");
  std::string kinds;
  for (const LayerSpec& layer : config.layers) {
    const AttentionSpec* const attention = layer.attention();
    kinds += layer.gmu() != nullptr           ? 'g'
             : attention == nullptr           ? layer.mamba()->publishes_memory ? 'M' : 'm'
             : attention->source >= 0         ? 'c'
             : attention->window == kNoWindow ? 'F'
                                              : 'w';
    EXPECT_EQ(layer.norm.kind, NormKind::kLayer);
  }
  EXPECT_EQ(kinds, "mwmwMFgc");
  EXPECT_EQ(config.sampled_from, 5);
  EXPECT_EQ(config.layers[7].attention()->source, 5);
  EXPECT_EQ(config.layers[7].cache, config.layers[5].cache);
  EXPECT_EQ(config.layers[6].cache, -1);
  EXPECT_EQ(config.caches.size(), 6u);
  EXPECT_EQ(config.caches[3].window, 8);
  // 0.8 - 0.6·exp(-0.3·i), counted from 0 in the whole model.
  EXPECT_FLOAT_EQ(config.layers[1].attention()->lambda_init, 0.35550906F);
  EXPECT_FLOAT_EQ(config.layers[7].attention()->lambda_init, 0.72652614F);
}

TEST(ArchitecturesTest, Phi4FlashsWindowComesInThreeForms) {
  EXPECT_EQ(Parsed("phi4flash", {{"sliding_window", "[null, 9, null, 9, null, null, null, null]"}}).caches[1].window,
            9);
  EXPECT_THAT(ErrorOf("phi4flash", {{"sliding_window", "[null, 9, null, 9, null, 9, null, null]"}}),
              HasSubstr("sliding_window of layer 5 is 9, expected null"));
  EXPECT_THAT(ErrorOf("phi4flash", {{"sliding_window", "[null, 9]"}}), HasSubstr("lists 2 layers of 8"));
  EXPECT_THAT(ErrorOf("phi4flash", {{"sliding_window", "[null, 9, null, 8, null, null, null, null]"}}),
              HasSubstr("differs between layers"));
  EXPECT_THAT(ErrorOf("phi4flash", {{"num_hidden_layers", "6"}}), HasSubstr("expected a multiple of 4"));
  EXPECT_THAT(ErrorOf("phi4flash", {{"mlp_bias", "true"}}), HasSubstr("mlp_bias is true"));
  EXPECT_THAT(ErrorOf("phi4flash", {{"mb_per_layer", "3"}}), HasSubstr("mb_per_layer is 3"));
}

}  // namespace
}  // namespace batucada
