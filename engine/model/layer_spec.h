// What one layer of a model computes, with sizes of its own: a mixer, then perhaps an MLP, each behind a norm and added
// to the residual stream. Layers of one model may differ in all of it.
#pragma once

#include <cstdint>
#include <variant>

#include "kernels/ops.h"

namespace batucada {

// RMSNorm of δ's low rank, B and C, each by itself, behind x_proj.
enum class InnerNorms : uint8_t {
  kNone,
  kPlain,     // without weights
  kWeighted,  // with learned ones
};

// Mamba-1 (arXiv 2312.00752).
struct MambaSpec {
  int32_t d_inner = 0;     // channels of convolution and scan, a multiple of 8
  int32_t d_state = 0;     // states per channel; 16
  int32_t conv_width = 0;  // taps of the causal convolution; 4
  int32_t dt_rank = 0;     // columns of dt_proj
  InnerNorms inner_norms = InnerNorms::kNone;
  float inner_eps = 0;  // of the inner norms
  // What GMU layers above gate: the scan's output of the same token, before this layer's own gate.
  bool publishes_memory = false;

  bool operator==(const MambaSpec&) const = default;
};

// Causal attention (arXiv 1706.03762) with grouped queries, over a window or over all. Differential (arXiv 2410.05258):
// heads are in pairs, 2j and 2j + 1, whose second is taken off the first, λ-fold; their values are two K/V heads wide.
struct AttentionSpec {
  int32_t heads = 0;           // query heads, a multiple of kv_heads
  int32_t kv_heads = 0;        // key and value heads
  int32_t head_dim = 0;        // elements per head: 64, 128 or 256; heads * head_dim need not equal d_model
  int32_t window = kNoWindow;  // tokens a query sees, itself included; kNoWindow: all before it
  RopeSpec rope;
  bool bias = false;  // of the projections
  bool differential = false;
  float lambda_init = 0;  // of λ = exp(q1·k1) - exp(q2·k2) + lambda_init
  int32_t source = -1;    // the layer whose keys and values are read; -1: its own

  int64_t query_width() const { return int64_t{heads} * head_dim; }
  int64_t kv_width() const { return int64_t{kv_heads} * head_dim; }
  bool operator==(const AttentionSpec&) const = default;
};

// Gated memory unit (arXiv 2507.06607): the memory that a Mamba layer publishes, gated.
struct GmuSpec {
  int32_t d_inner = 0;  // that layer's

  bool operator==(const GmuSpec&) const = default;
};

using MixerSpec = std::variant<MambaSpec, AttentionSpec, GmuSpec>;
enum class MixerKind : uint8_t { kMamba, kAttention, kGmu };  // in MixerSpec's order

enum class NormKind : uint8_t {
  kRms,    // arXiv 1910.07467
  kLayer,  // arXiv 1607.06450, with a bias
};

struct NormSpec {
  NormKind kind = NormKind::kRms;
  float eps = 1e-5F;  // added to the mean square

  bool operator==(const NormSpec&) const = default;
};

enum class MlpKind : uint8_t { kNone, kSwiGlu };  // arXiv 2002.05202

struct MlpSpec {
  MlpKind kind = MlpKind::kNone;
  int32_t width = 0;  // rows of gate and of up, any positive number (Samba 1.7B has 8196); 0 without MLP

  bool operator==(const MlpSpec&) const = default;
};

struct LayerSpec {
  MixerSpec mixer;
  NormSpec norm;  // before the mixer, and before the MLP
  MlpSpec mlp;
  // Which of ModelConfig::caches the mixer reads, and writes unless it is another layer's; -1: none.
  int32_t cache = -1;

  MixerKind kind() const { return static_cast<MixerKind>(mixer.index()); }
  // The mixer's spec if it is of that kind, else null.
  const MambaSpec* mamba() const { return std::get_if<MambaSpec>(&mixer); }
  const AttentionSpec* attention() const { return std::get_if<AttentionSpec>(&mixer); }
  const GmuSpec* gmu() const { return std::get_if<GmuSpec>(&mixer); }
  bool has_mlp() const { return mlp.kind != MlpKind::kNone; }
  bool operator==(const LayerSpec&) const = default;
};

}  // namespace batucada
