#include <boost/json/value.hpp>
#include <string>

#include "base/strings.h"
#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

void Refuse(const JsonObject& object, std::string_view key, std::string_view found) {
  object.Fail(key, Concat("is \"", Printable(found), "\", expected \"default\", \"linear\" or \"llama3\""));
}

// What stretches the rotation.
void ReadScaling(const JsonObject& rope, std::string_view type_key, RopeSpec* spec) {
  const std::string type = rope.StringOr(type_key, "default");
  if (type == "default") return;
  const auto number = [&](std::string_view key, double fallback, double least = 1e-3) {
    if (!rope.Has(key)) rope.Fail(key, "is missing: expected a number");
    return static_cast<float>(rope.NumberOr(key, fallback, {.min = least, .max = 1e6}));
  };
  if (type == "linear") {
    spec->scaling.kind = RopeScaling::Kind::kLinear;
    spec->scaling.factor = number("factor", 1, /*least=*/1);
    return;
  }
  if (type != "llama3") return Refuse(rope, type_key, type);
  spec->scaling = {.kind = RopeScaling::Kind::kLlama3,
                   .factor = number("factor", 8),
                   .low_freq_factor = number("low_freq_factor", 1),
                   .high_freq_factor = number("high_freq_factor", 4),
                   .original_context = static_cast<int32_t>(
                       rope.Int("original_max_position_embeddings", {.min = 1, .max = INT32_MAX}))};
  if (spec->scaling.high_freq_factor <= spec->scaling.low_freq_factor) {
    rope.Fail("high_freq_factor", "is not above low_freq_factor");
  }
}

void RefusePartialRotation(const JsonObject& object) {
  if (object.NumberOr("partial_rotary_factor", 1, {.min = 0, .max = 1}) != 1) {
    object.Fail("partial_rotary_factor", "is not 1: rotating a part of a head is not supported");
  }
}

// `rope_scaling` or, since transformers 5, `rope_parameters`. Either may say all: where both do, the former goes
// before.
RopeSpec ReadRope(const JsonObject& root) {
  RopeSpec spec;
  constexpr double kTheta = 10000;
  constexpr NumberRange kThetas = {.min = 1, .max = 1e12};
  RefusePartialRotation(root);
  double theta = root.NumberOr("rope_theta", kTheta, kThetas);
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    const boost::json::value* found = root.Find(key);
    if (found == nullptr || (found->is_object() && found->get_object().empty())) continue;
    const JsonObject rope = root.Object(key);
    RefusePartialRotation(rope);
    theta = rope.NumberOr("rope_theta", theta, kThetas);
    ReadScaling(rope, rope.Has("rope_type") ? "rope_type" : "type", &spec);
    break;
  }
  spec.theta = static_cast<float>(theta);
  return spec;
}

void ReadTransformer(const JsonObject& root, ModelConfig* config) {
  RequireSilu(root);
  if (root.BoolOr("mlp_bias", false)) root.Fail("mlp_bias", "is true: an MLP with biases is not supported");
  AttentionSpec attention;
  ReadHeads(root, {.heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .head_dim = "head_dim"},
            config->d_model, &attention);
  attention.rope = ReadRope(root);
  attention.bias = root.BoolOr("attention_bias", false);
  const MlpSpec mlp{.kind = MlpKind::kSwiGlu,
                    .width = static_cast<int32_t>(root.Int("intermediate_size", {.min = 1, .max = kMaxMlpWidth}))};
  config->final_norm = {.kind = NormKind::kRms,
                        .eps = static_cast<float>(root.NumberOr("rms_norm_eps", 1e-6, {.min = 1e-12, .max = 0.1}))};
  for (LayerSpec& layer : config->layers) layer = {.mixer = attention, .norm = config->final_norm, .mlp = mlp};
  config->tie_embeddings = root.BoolOr("tie_word_embeddings", false);
}

void ReadLlama(const JsonObject& root, ModelConfig* config) {
  if (root.Has("sliding_window")) {
    root.Fail("sliding_window", "is set, but Llama has none: model_type \"mistral\" has");
  }
  ReadTransformer(root, config);
}

// The window of every layer. Older files say 4096 or null; a file that says nothing gets what its class does, 4096.
void ReadMistral(const JsonObject& root, ModelConfig* config) {
  if (root.BoolOr("attention_bias", false)) root.Fail("attention_bias", "is true, but Mistral has none: Llama has");
  ReadTransformer(root, config);
  const int64_t absent = root.Mentions("sliding_window") ? kNoWindow : 4096;
  const int64_t window = root.IntOr("sliding_window", absent, {.min = 1, .max = kNoWindow - 1});
  for (LayerSpec& layer : config->layers) {
    if (auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) attention->window = static_cast<int32_t>(window);
  }
}

constexpr TensorLine kLlamaTensors[] = {
    {"model.embed_tokens.weight", {Part::kEmbeddings}},
    {"model.layers.*.input_layernorm.weight", {Part::kMixerNorm}},
    {"model.layers.*.self_attn.q_proj.weight", {Part::kQuery}},
    {"model.layers.*.self_attn.q_proj.bias", {Part::kQueryBias}},
    {"model.layers.*.self_attn.k_proj.weight", {Part::kKey}},
    {"model.layers.*.self_attn.k_proj.bias", {Part::kKeyBias}},
    {"model.layers.*.self_attn.v_proj.weight", {Part::kValue}},
    {"model.layers.*.self_attn.v_proj.bias", {Part::kValueBias}},
    {"model.layers.*.self_attn.o_proj.weight", {Part::kAttentionOut}},
    {"model.layers.*.self_attn.o_proj.bias", {Part::kAttentionOutBias}},
    {"model.layers.*.post_attention_layernorm.weight", {Part::kMlpNorm}},
    {"model.layers.*.mlp.gate_proj.weight", {Part::kGate}},
    {"model.layers.*.mlp.up_proj.weight", {Part::kUp}},
    {"model.layers.*.mlp.down_proj.weight", {Part::kDown}},
    {"model.norm.weight", {Part::kFinalNorm}},
    {"lm_head.weight", {Part::kHead}},
};

}  // namespace

constinit const Architecture kLlama{.model_type = "llama", .read = ReadLlama, .tensors = kLlamaTensors};
constinit const Architecture kMistral{.model_type = "mistral", .read = ReadMistral, .tensors = kLlamaTensors};

}  // namespace batucada
