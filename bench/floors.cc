#include "bench/floors.h"

#include <algorithm>

#include "engine/model/tensor_table.h"

namespace batucada {
namespace {

// Tokens that queries see on average over a text of `length`: the window once it is full.
double MeanVisible(double length, double window) {
  if (length <= window) return (length + 1) / 2;
  return (window * (window + 1) / 2 + (length - window) * window) / length;
}

// Whether every token of a prompt is multiplied with this part. Logits are computed for the last one alone.
bool ServesPrompt(const ModelConfig& model, int32_t layer, Part part) {
  if (layer < 0) return false;
  if (layer == model.sampled_from) return part == Part::kKey || part == Part::kValue;
  return layer < model.sampled_from;
}

}  // namespace

double KvBytesRead(const ModelConfig& model, DType activation, int64_t context) {
  double bytes = 0;
  for (const LayerSpec& layer : model.layers) {
    const AttentionSpec* const spec = layer.attention();
    if (spec == nullptr) continue;
    const auto visible = static_cast<double>(std::min<int64_t>(context, spec->window));
    bytes += 2 * static_cast<double>(spec->kv_width()) * static_cast<double>(SizeOf(activation)) * visible;
  }
  return bytes;
}

double DecodeFloor(const ModelConfig& model, const Ceilings& ceilings, DType activation, int32_t batch,
                   int64_t context) {
  const auto act = static_cast<double>(SizeOf(activation));
  const auto p = static_cast<double>(MatMulParameters(model));
  double recurrent = 0;
  for (const CacheSpec& cache : model.caches) {
    if (cache.kind != CacheKind::kRecurrent) continue;
    recurrent += cache.d_inner * (4.0 * cache.d_state + act * (cache.conv_width - 1));
  }
  return std::max(2 * p / ceilings.bytes_per_s, 2 * p * batch / ceilings.flops_per_s) +
         batch * (2 * recurrent + KvBytesRead(model, activation, context)) / ceilings.bytes_per_s;
}

double PromptTokenFlops(const ModelConfig& model, int64_t length) {
  double flops = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(model)) {
    if (tensor.role != TensorRole::kMatrix) continue;
    for (const TensorPart& part : tensor.parts) {
      if (ServesPrompt(model, tensor.layer, part.part)) flops += 2 * static_cast<double>(part.count * tensor.cols);
    }
  }
  for (int32_t i = 0; i < std::min(model.num_layers(), model.sampled_from); ++i) {
    const AttentionSpec* const spec = model.layers[static_cast<size_t>(i)].attention();
    if (spec == nullptr) continue;
    // Of a query and a key: their product, and the value. The values of differential attention are two heads wide.
    const double per_element = spec->differential ? 2 + 4 : 2 + 2;
    flops +=
        per_element * static_cast<double>(spec->query_width()) * MeanVisible(static_cast<double>(length), spec->window);
  }
  return flops;
}

}  // namespace batucada
