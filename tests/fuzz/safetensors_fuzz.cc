// safetensors headers: what is accepted lies within the file, whole elements, without overlap.
#include <cstdint>
#include <cstdlib>

#include "engine/model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace batucada;
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = ParseSafetensors(file, "fuzz");
  if (!tensors.ok()) {
    if (tensors.status().message().empty()) std::abort();
    return 0;
  }
  for (const StoredTensor& tensor : *tensors) {
    unsigned char sum = 0;
    for (const std::byte byte : tensor.data) sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(byte));
    volatile unsigned char sink = sum;  // every byte can be read
    static_cast<void>(sink);
  }
  return 0;
}
