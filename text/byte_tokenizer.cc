#include "text/byte_tokenizer.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr int32_t kBytes = 256;

TokenTable MakeTable(int32_t vocab_size) {
  std::vector<TokenTable::Entry> entries(static_cast<size_t>(vocab_size));
  for (int32_t id = 0; id < vocab_size; ++id) {
    TokenTable::Entry& entry = entries[static_cast<size_t>(id)];
    entry.kind = id < kBytes ? TokenKind::kBytes : TokenKind::kText;
    entry.content = id < kBytes ? absl::StrFormat("<0x%02X>", id) : absl::StrFormat(" t%d", id);
    entry.bytes = id < kBytes ? std::string(1, static_cast<char>(id)) : entry.content;
    entry.start_bytes = entry.bytes;
  }
  return TokenTable(std::move(entries), StreamRules{});
}

class ByteTokenizer : public Tokenizer {
 public:
  explicit ByteTokenizer(int32_t vocab_size) : Tokenizer(MakeTable(vocab_size)) {}

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text, const EncodeOptions&) const override {
    BATUCADA_RETURN_IF_ERROR(CheckText(text));
    std::vector<int32_t> ids;
    ids.reserve(text.size());
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
};

}  // namespace

std::unique_ptr<Tokenizer> MakeByteTokenizer(int32_t vocab_size) {
  BATUCADA_CHECK(vocab_size > kBytes, "a vocabulary of ", vocab_size, " has no room for every byte");
  return std::make_unique<ByteTokenizer>(vocab_size);
}

}  // namespace batucada
