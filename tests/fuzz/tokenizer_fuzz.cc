// tokenizer.json from strangers: read or refused; one that is read encodes and decodes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/text/json_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace batucada;
  const auto tokenizer = JsonTokenizer::Parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!tokenizer.ok()) {
    if (tokenizer.status().message().empty()) std::abort();
    return 0;
  }
  const auto ids = (*tokenizer)->Encode("The quick brown fox, 123 \xc3\xa9\xe2\x82\xac \xff\n", {});
  if (!ids.ok()) return 0;
  for (const int32_t id : *ids) {
    if (id < 0 || id >= (*tokenizer)->vocab_size()) std::abort();
  }
  static_cast<void>((*tokenizer)->Decode(*ids, /*skip_special=*/false));
  return 0;
}
