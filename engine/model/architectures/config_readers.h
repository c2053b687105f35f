// Readers of what several architectures write in the same way.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/json.h"
#include "engine/model/model_config.h"

namespace batucada {

// Bounds far above any model there is, and low enough that no product of them leaves int64.
inline constexpr int64_t kMaxWidth = 65536;             // d_model
inline constexpr int64_t kMaxInner = int64_t{1} << 18;  // d_inner
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxHeads = 1024;
inline constexpr int64_t kMaxMlpWidth = int64_t{1} << 20;

// Fails for each of `keys` that is set.
void RefuseKeys(const JsonObject& root, std::initializer_list<std::string_view> keys);
// Fails unless `hidden_act` is absent or SiLU under one of its names.
void RequireSilu(const JsonObject& root);

// What the keys of a Mamba mixer are called.
struct MambaKeys {
  std::string_view inner = "";  // d_inner; empty: expand · d_model, always
  std::string_view expand = "expand";
  std::string_view state = "state_size";
  std::string_view conv = "conv_kernel";
  std::string_view rank = "time_step_rank";
};
MambaSpec ReadMambaSpec(const JsonObject& root, const MambaKeys& keys, int32_t d_model);

// What the keys of attention's sizes are called.
struct HeadKeys {
  std::string_view heads;
  std::string_view kv_heads;
  std::string_view head_dim;
};
// Reads heads, kv_heads (heads if absent) and head_dim (d_model / heads if absent), and checks them against each other.
void ReadHeads(const JsonObject& object, const HeadKeys& keys, int32_t d_model, AttentionSpec* spec);

}  // namespace batucada
