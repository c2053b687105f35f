// The sizes a config implies, all summed over the one list of its tensors.
#include "engine/model/model_config.h"
#include "engine/model/tensor_table.h"

namespace batucada {

int64_t ParameterCount(const ModelConfig& config) {
  int64_t count = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) count += tensor.elements();
  return count;
}

int64_t MatMulParameters(const ModelConfig& config) {
  int64_t count = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    const bool multiplied =
        tensor.role == TensorRole::kMatrix || (tensor.role == TensorRole::kEmbedding && config.tie_embeddings);
    if (multiplied) count += tensor.elements();
  }
  return count;
}

int64_t WeightBytes(const ModelConfig& config, DType matrix_dtype) {
  int64_t bytes = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    const DType dtype = IsMatrix(tensor.role) ? matrix_dtype : DType::kF32;
    bytes += tensor.elements() * static_cast<int64_t>(SizeOf(dtype));
  }
  return bytes;
}

}  // namespace batucada
