#include "server/kv_events/event_batch.h"

#include <string_view>
#include <variant>

#include "server/kv_events/msgpack.h"

namespace batucada {
namespace {

using msgpack::AppendArray;
using msgpack::AppendNil;
using msgpack::AppendString;
using msgpack::AppendUint;

// Wherever a state lies, it is a copy away: routers that tell tiers apart are to count all alike.
constexpr std::string_view kMedium = "GPU";

// Writes one event, whose members come in vLLM's order.
class EventWriter {
 public:
  EventWriter(std::string_view kind, size_t members, KvEventForm form, std::string* out)
      : named_(form == KvEventForm::kMap), out_(out) {
    named_ ? msgpack::AppendMap(members + 1, out) : AppendArray(members + 1, out);
    Name("type");
    AppendString(kind, out);
  }

  std::string* Name(std::string_view name) {
    if (named_) AppendString(name, out_);
    return out_;
  }
  void Hashes(std::span<const uint64_t> hashes) {
    AppendArray(hashes.size(), Name("block_hashes"));
    for (const uint64_t hash : hashes) AppendUint(hash, out_);
  }

 private:
  const bool named_;
  std::string* const out_;
};

void Append(const BlocksStored& stored, int32_t block_tokens, KvEventForm form, std::string* out) {
  EventWriter event("BlockStored", 8, form, out);
  event.Hashes(stored.hashes);
  event.Name("parent_block_hash");
  stored.parent == 0 ? AppendNil(out) : AppendUint(stored.parent, out);
  AppendArray(stored.tokens.size(), event.Name("token_ids"));
  for (const int32_t id : stored.tokens) AppendUint(static_cast<uint64_t>(id), out);
  AppendUint(static_cast<uint64_t>(block_tokens), event.Name("block_size"));
  AppendNil(event.Name("lora_id"));
  AppendString(kMedium, event.Name("medium"));
  AppendNil(event.Name("lora_name"));
  // What a block's hash is made of besides tokens and the block before, a list for each block.
  AppendArray(stored.hashes.size(), event.Name("extra_keys"));
  for (size_t i = 0; i < stored.hashes.size(); ++i) {
    if (i > 0 || stored.salt.empty()) {
      AppendNil(out);
      continue;
    }
    AppendArray(1, out);
    AppendString(stored.salt, out);
  }
}

void Append(const BlocksRemoved& removed, int32_t /*block_tokens*/, KvEventForm form, std::string* out) {
  EventWriter event("BlockRemoved", 2, form, out);
  event.Hashes(removed.hashes);
  AppendString(kMedium, event.Name("medium"));
}

void Append(const AllBlocksCleared& /*cleared*/, int32_t /*block_tokens*/, KvEventForm form, std::string* out) {
  EventWriter("AllBlocksCleared", 0, form, out);
}

}  // namespace

std::string EncodeBatch(std::span<const KvEvent> events, double when, int32_t block_tokens, KvEventForm form) {
  std::string out;
  AppendArray(3, &out);
  msgpack::AppendDouble(when, &out);
  AppendArray(events.size(), &out);
  for (const KvEvent& event : events) {
    std::visit([&](const auto& it) { Append(it, block_tokens, form, &out); }, event);
  }
  AppendUint(0, &out);  // data_parallel_rank
  return out;
}

}  // namespace batucada
