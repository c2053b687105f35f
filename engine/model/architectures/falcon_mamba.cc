#include "engine/model/architectures/architectures.h"
#include "engine/model/architectures/config_readers.h"

namespace batucada {
namespace {

void ReadFalconMamba(const JsonObject& root, ModelConfig* config) {
  kMamba.read(root, config);
  config->tie_embeddings = root.BoolOr("tie_word_embeddings", true);
  const double eps = root.NumberOr("mixer_rms_eps", 1e-6, {.min = 1e-12, .max = 0.1});
  for (LayerSpec& layer : config->layers) {
    auto& mamba = std::get<MambaSpec>(layer.mixer);
    mamba.inner_norms = InnerNorms::kPlain;
    mamba.inner_eps = static_cast<float>(eps);
  }
}

}  // namespace

// Names are those of Mamba: the norms inside have no weights.
const Architecture kFalconMamba{
    .model_type = "falcon_mamba", .read = ReadFalconMamba, .tensors = kMamba.tensors, .spellings = kMamba.spellings};

}  // namespace batucada
