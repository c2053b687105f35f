#include "engine/model/architectures/config_readers.h"

#include <string>

#include "base/rounding.h"
#include "base/strings.h"

namespace batucada {

void RefuseKeys(const JsonObject& root, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (root.Has(key)) root.Fail(key, "is set, which is not supported");
  }
}

void RequireSilu(const JsonObject& root) {
  const std::string act = root.StringOr("hidden_act", "swish");
  if (act != "swish" && act != "silu") {
    root.Fail("hidden_act", Concat("is \"", Printable(act), "\", expected \"swish\" or \"silu\""));
  }
}

MambaSpec ReadMambaSpec(const JsonObject& root, const MambaKeys& keys, int32_t d_model) {
  constexpr int64_t kState = 16;
  constexpr int64_t kConv = 4;
  MambaSpec spec;
  const int64_t expanded = root.IntOr(keys.expand, 2, {.min = 1, .max = 16}) * d_model;
  const bool named = !keys.inner.empty();
  spec.d_inner =
      static_cast<int32_t>(named ? root.IntOr(keys.inner, expanded, {.min = 8, .max = kMaxInner}) : expanded);
  // The product is bounded only here, where the key for d_inner itself had its chance to replace it.
  if (spec.d_inner > kMaxInner || spec.d_inner % 8 != 0) {
    root.Fail(named ? keys.inner : keys.expand,
              Concat("(d_inner) comes to ", spec.d_inner, ", expected a multiple of 8 of at most ", kMaxInner));
  }
  spec.d_state = static_cast<int32_t>(root.IntOr(keys.state, kState, {.min = 1, .max = 65536}));
  if (spec.d_state != kState) {
    root.Fail(keys.state, Concat("is ", spec.d_state, ", only ", kState, " is supported"));
  }
  spec.conv_width = static_cast<int32_t>(root.IntOr(keys.conv, kConv, {.min = 1, .max = 65536}));
  if (spec.conv_width != kConv) {
    root.Fail(keys.conv, Concat("is ", spec.conv_width, ", only ", kConv, " is supported"));
  }
  const boost::json::value* rank = root.Find(keys.rank);
  const bool automatic = rank == nullptr || (rank->is_string() && rank->get_string() == "auto");
  spec.dt_rank =
      automatic ? CeilDiv(d_model, 16) : static_cast<int32_t>(root.Int(keys.rank, {.min = 1, .max = kMaxWidth}));
  return spec;
}

void ReadHeads(const JsonObject& object, const HeadKeys& keys, int32_t d_model, AttentionSpec* spec) {
  spec->heads = static_cast<int32_t>(object.Int(keys.heads, {.min = 1, .max = kMaxHeads}));
  spec->kv_heads = static_cast<int32_t>(object.IntOr(keys.kv_heads, spec->heads, {.min = 1, .max = kMaxHeads}));
  if (!object.ok()) return;
  if (spec->heads % spec->kv_heads != 0) {
    object.Fail(keys.kv_heads, Concat("is ", spec->kv_heads, ", which does not divide ", keys.heads, " ", spec->heads));
  }
  if (!object.Has(keys.head_dim) && d_model % spec->heads != 0) {
    object.Fail(keys.heads,
                Concat("is ", spec->heads, ", which does not divide hidden_size ", d_model, "; set ", keys.head_dim));
  }
  spec->head_dim =
      static_cast<int32_t>(object.IntOr(keys.head_dim, d_model / spec->heads, {.min = 1, .max = kMaxWidth}));
  if (spec->head_dim != 64 && spec->head_dim != 128 && spec->head_dim != 256) {
    object.Fail(keys.head_dim, Concat("comes to ", spec->head_dim, ", supported are 64, 128 and 256"));
  }
}

}  // namespace batucada
