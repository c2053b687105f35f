// tokenizer.json from strangers: read or refused; one that is read encodes and decodes, and a completion goes on from
// its prompt wherever the border is.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "text/detokenizer.h"
#include "text/json_tokenizer.h"

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
  for (const bool skip_special : {false, true}) {
    const std::string whole = (*tokenizer)->Decode(*ids, skip_special);
    for (size_t split = 0; split <= ids->size(); ++split) {
      Detokenizer completion(**tokenizer, skip_special);
      completion.Follow(std::span(*ids).first(split));
      std::string text = (*tokenizer)->DecodeOpen(std::span(*ids).first(split), skip_special);
      for (const int32_t id : std::span(*ids).subspan(split)) text += completion.Push(id);
      if (text + completion.Flush() != whole) std::abort();
    }
  }
  return 0;
}
