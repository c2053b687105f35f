#include "engine/model/tensor_table.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/architecture.h"

namespace batucada {
namespace {

// A part in the numbers of its layer. 1-d parts have rows = 1.
struct PartSpec {
  int64_t rows = 0;
  int64_t cols = 0;
  TensorRole role = TensorRole::kMatrix;
  SplitAxis split = SplitAxis::kNone;

  bool is_vector() const { return rows == 1 && !IsMatrix(role); }
};

constexpr auto kRows = SplitAxis::kRows;
constexpr auto kColumns = SplitAxis::kColumns;

std::optional<PartSpec> NormBias(const ModelConfig& c, const NormSpec& norm) {
  if (norm.kind != NormKind::kLayer) return std::nullopt;
  return PartSpec{1, c.d_model, TensorRole::kBias};
}

// A part of the whole model; nothing if the model has none.
std::optional<PartSpec> ModelPart(const ModelConfig& c, Part part) {
  switch (part) {
    case Part::kEmbeddings: return PartSpec{c.embedding_rows, c.d_model, TensorRole::kEmbedding, kRows};
    case Part::kFinalNorm: return PartSpec{1, c.d_model, TensorRole::kNorm};
    case Part::kFinalNormBias: return NormBias(c, c.final_norm);
    case Part::kHead:
      if (c.tie_embeddings) return std::nullopt;
      return PartSpec{c.embedding_rows, c.d_model, TensorRole::kMatrix, kRows};
    default: return std::nullopt;
  }
}

std::optional<PartSpec> MambaPart(const ModelConfig& c, const MambaSpec& m, Part part) {
  switch (part) {
    case Part::kInX:
    case Part::kInZ: return PartSpec{m.d_inner, c.d_model, TensorRole::kMatrix, kRows};
    case Part::kConv: return PartSpec{m.d_inner, m.conv_width, TensorRole::kConv, kRows};
    case Part::kConvBias: return PartSpec{1, m.d_inner, TensorRole::kConvBias, kRows};
    case Part::kDtLow: return PartSpec{m.dt_rank, m.d_inner, TensorRole::kMatrix, kColumns};
    case Part::kB:
    case Part::kC: return PartSpec{m.d_state, m.d_inner, TensorRole::kMatrix, kColumns};
    case Part::kDt: return PartSpec{m.d_inner, m.dt_rank, TensorRole::kMatrix, kRows};
    case Part::kDtBias: return PartSpec{1, m.d_inner, TensorRole::kTimeStepBias, kRows};
    case Part::kALog: return PartSpec{m.d_inner, m.d_state, TensorRole::kALog, kRows};
    case Part::kSkip: return PartSpec{1, m.d_inner, TensorRole::kSkip, kRows};
    case Part::kMambaOut: return PartSpec{c.d_model, m.d_inner, TensorRole::kMatrix, kColumns};
    case Part::kDtNorm:
    case Part::kBNorm:
    case Part::kCNorm:
      if (m.inner_norms != InnerNorms::kWeighted) return std::nullopt;
      return PartSpec{1, part == Part::kDtNorm ? m.dt_rank : m.d_state, TensorRole::kNorm};
    default: return std::nullopt;
  }
}

std::optional<PartSpec> AttentionPart(const ModelConfig& c, const AttentionSpec& a, Part part) {
  const bool own_kv = a.source < 0;
  const auto given_if = [](bool there, PartSpec spec) { return there ? std::optional(spec) : std::nullopt; };
  switch (part) {
    case Part::kQuery: return PartSpec{a.query_width(), c.d_model, TensorRole::kMatrix, kRows};
    case Part::kKey:
    case Part::kValue: return given_if(own_kv, {a.kv_width(), c.d_model, TensorRole::kMatrix, kRows});
    case Part::kAttentionOut: return PartSpec{c.d_model, a.query_width(), TensorRole::kMatrix, kColumns};
    case Part::kQueryBias: return given_if(a.bias, {1, a.query_width(), TensorRole::kBias, kRows});
    case Part::kKeyBias:
    case Part::kValueBias: return given_if(a.bias && own_kv, {1, a.kv_width(), TensorRole::kBias, kRows});
    case Part::kAttentionOutBias: return given_if(a.bias, {1, c.d_model, TensorRole::kBias});
    case Part::kLambdaQ1:
    case Part::kLambdaK1:
    case Part::kLambdaQ2:
    case Part::kLambdaK2: return given_if(a.differential, {1, a.head_dim, TensorRole::kLambda});
    case Part::kPairNorm: return given_if(a.differential, {1, int64_t{2} * a.head_dim, TensorRole::kNorm});
    default: return std::nullopt;
  }
}

std::optional<PartSpec> GmuPart(const ModelConfig& c, const GmuSpec& g, Part part) {
  if (part == Part::kGmuIn) return PartSpec{g.d_inner, c.d_model, TensorRole::kMatrix, kRows};
  if (part == Part::kGmuOut) return PartSpec{c.d_model, g.d_inner, TensorRole::kMatrix, kColumns};
  return std::nullopt;
}

std::optional<PartSpec> LayerPart(const ModelConfig& c, const LayerSpec& layer, Part part) {
  switch (part) {
    case Part::kMixerNorm: return PartSpec{1, c.d_model, TensorRole::kNorm};
    case Part::kMixerNormBias: return NormBias(c, layer.norm);
    case Part::kMlpNormBias: return layer.has_mlp() ? NormBias(c, layer.norm) : std::nullopt;
    case Part::kMlpNorm:
      if (!layer.has_mlp()) return std::nullopt;
      return PartSpec{1, c.d_model, TensorRole::kNorm};
    case Part::kGate:
    case Part::kUp:
      if (!layer.has_mlp()) return std::nullopt;
      return PartSpec{layer.mlp.width, c.d_model, TensorRole::kMatrix, kRows};
    case Part::kDown:
      if (!layer.has_mlp()) return std::nullopt;
      return PartSpec{c.d_model, layer.mlp.width, TensorRole::kMatrix, kColumns};
    default: break;
  }
  if (const MambaSpec* mamba = layer.mamba()) return MambaPart(c, *mamba, part);
  if (const GmuSpec* gmu = layer.gmu()) return GmuPart(c, *gmu, part);
  return AttentionPart(c, *layer.attention(), part);
}

// The tensor that a line of the table stands for; nothing if its first part is not there. `spec_of` sizes a part.
template <typename SpecOf>
std::optional<ExpectedTensor> Expand(const TensorLine& line, std::string name, int32_t layer, const SpecOf& spec_of) {
  const std::optional<PartSpec> first = spec_of(*line.parts[0]);
  if (!first) return std::nullopt;
  ExpectedTensor tensor{.name = std::move(name), .role = first->role, .split = first->split, .layer = layer};
  int64_t length = 0;
  for (const std::optional<Part>& part : line.parts) {
    if (!part) break;
    const std::optional<PartSpec> spec = spec_of(*part);
    if (!spec) continue;
    const int64_t count = spec->is_vector() ? spec->cols : spec->rows;
    tensor.parts.push_back({*part, length, count});
    length += count;
  }
  tensor.rows = first->is_vector() ? 1 : length;
  tensor.cols = first->is_vector() ? length : first->cols;
  return tensor;
}

}  // namespace

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config) {
  BATUCADA_CHECK(config.architecture != nullptr);
  const std::span<const TensorLine> table = config.architecture->tensors;
  const auto is_of_layer = [](const TensorLine& line) { return line.name.find('*') != std::string_view::npos; };
  std::vector<ExpectedTensor> tensors;
  const auto add = [&](std::optional<ExpectedTensor> tensor) {
    if (tensor) tensors.push_back(*std::move(tensor));
  };
  bool layers_done = false;
  for (const TensorLine& line : table) {
    if (!is_of_layer(line)) {
      add(Expand(line, std::string(line.name), -1, [&](Part part) { return ModelPart(config, part); }));
      continue;
    }
    if (std::exchange(layers_done, true)) continue;  // at the first of their lines, all layers
    for (int32_t i = 0; i < config.num_layers(); ++i) {
      for (const TensorLine& of_layer : table) {
        if (!is_of_layer(of_layer)) continue;
        const size_t star = of_layer.name.find('*');
        std::string name = Concat(of_layer.name.substr(0, star), i, of_layer.name.substr(star + 1));
        add(Expand(of_layer, std::move(name), i,
                   [&](Part part) { return LayerPart(config, config.layers[static_cast<size_t>(i)], part); }));
      }
    }
  }
  return tensors;
}

}  // namespace batucada
